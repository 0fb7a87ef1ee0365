"""Under what terms the known data sets are given out, as far as their makers say so."""

LICENCES = {
    "cifar10": "none stated by its makers, who ask to cite Krizhevsky 2009",
    "cifar100": "none stated by its makers, who ask to cite Krizhevsky 2009",
    "svhn": "for non-commercial use only (Netzer et al. 2011)",
    "digits": "CC BY 4.0 (UCI Machine Learning Repository, Alpaydin and Kaynak 1998)",
}
"""Name of the data set to its terms; pictures of one's own are not in it."""
