"""Licences of the known data sets, as far as their authors state one."""

LICENCES = {
    "cifar10": "none stated by the authors, who ask to cite Krizhevsky 2009",
    "cifar100": "none stated by the authors, who ask to cite Krizhevsky 2009",
    "svhn": "for non-commercial use only (Netzer et al. 2011)",
    "digits": "CC BY 4.0 (UCI Machine Learning Repository, Alpaydin and Kaynak 1998)",
}
"""Name of a data set to its licence; own data sets are not included."""
