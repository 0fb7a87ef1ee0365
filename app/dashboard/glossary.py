"""The terms of the dashboard, each with a definition of one line; docs/glossary.md has the same wording."""

from collections.abc import Mapping

TERMS: Mapping[str, str] = {
    "given label": "The label that the network is trained on; it may have been corrupted.",
    "clean label": "The label before corruption, as the data set has it.",
    "corrupted": "A sample whose label or image was changed before training; every other sample is clean.",
    "cause": "What was corrupted: label, image, both, or the image replaced by one of another data set (open).",
    "B3": "The third block of the ResNet (likewise B1, B2, B4); its gate decides how much of it a sample uses.",
    "B3U06": "Unit 6 of block B3: in a layer-gated network every unit has a gate of its own.",
    "gate": "The part of the network that computes g for each sample from early features of the block.",
    "g": "Gate value of a sample, from 0 (the block is skipped) to 1 (the whole block is used).",
    "H": "Entropy in nats of the softmax that a gate makes g from, over classes or over skip and pass; none for "
    "sigmoid gates. Where the gate is a curve of H, g rises with H.",
    "o1": "Output of the first unit of a block: what the block outputs where it is skipped (g = 0).",
    "o2": "Output of the last unit of a block: what the block outputs where all of it is used (g = 1).",
    "filter": "A channel that a gate opens or closes for each sample; of a gate over a whole unit, that unit.",
    "always on": "A filter that is open for more than 99 % of the samples (--always); always off: closed for more.",
    "conditional": "A filter that is neither always on nor always off: the sample decides.",
    "rare": "A filter that is open for some samples, but for at most 5 % of them (--rare).",
    "mutual information": "What the state of a filter says about the class, in nats, from 0 to ln 2; by chance it is "
    "above 0, so its mean over shuffled labels is given beside it.",
    "linear probe": "A ridge regression that predicts a sample's class or hardness from a vector, here the open "
    "filters of the sample; it was trained on other samples.",
    "nearest neighbours": "The samples with the smallest distance: in the number of filters that differ, or in the "
    "direction of the features.",
    "routed": "g > 0.5: the sample goes through the block.",
    "skipped": "g ≤ 0.5: the sample goes past the block.",
    "nats": "Unit of entropy and cross-entropy loss with the natural logarithm; 1 nat is 1.44 bits.",
    "fitted": "The network predicts the given label.",
    "memorised": "A corrupted sample that is fitted. Memorised by B3: fitted with B3 and not where B3 is skipped.",
    "memorisation score (mem)": "Share of models that predict a sample's given label, of those trained on it minus of "
    "those that were not (Feldman 2020).",
    "influence": "How much more often sample j is right in models that were trained on sample i.",
    "vulnerability": "How often a membership inference attack (LiRA, RMIA) names, of two models, the one that was "
    "trained on the sample; ½ is guessing.",
    "learned (sample)": "A clean sample that is fitted.",
    "forgotten": "A sample that was fitted in one logged epoch and is not in the next.",
    "recovered": "A wrong given label that is fitted, and turns back into the clean label where the network is cut.",
    "p(given)": "The probability that the network's softmax gives to the given label.",
    "logits": "Unit of the margin: the inputs of the softmax.",
    "margin": "Logit of the given label minus the largest other logit; below 0 the given label is not predicted.",
    "CSL": "Cumulative sample loss: the mean loss of a sample over the epochs; high is hard.",
    "LT-IQR": "Interquartile range of a sample's loss over the epochs; high is more vulnerable to membership "
    "inference. Pollock et al. 2024.",
    "AUM": "Area under the margin: the mean margin of a sample over the epochs; low is hard. Defined on the training "
    "passes; in log mode eval it is of evaluation passes.",
    "EL2N": "Error L2 norm: the distance of the softmax from the one-hot given label; high is hard.",
    "GMM": "Two normal components fitted to all losses: the probability of the one with low loss; low is suspicious.",
    "MACs": "Multiply-accumulates that a sample needs: those behind its open gates and those of all samples.",
    "SEI": "Signed entropy of the softmax: negative where the given label is not predicted; low is hard.",
    "confidence": "Mean p(given) over the epochs.",
    "variability": "Standard deviation of p(given) over the epochs.",
    "AUROC": "The probability that a corrupted sample has a harder score than a clean one; 0.5 is chance.",
    "average precision": "Mean precision over all recall levels; the share of corrupted samples is chance.",
    "critical sample": "A sample with another prediction within a radius of a number of grey levels in every pixel.",
    "critical radius": "Estimated distance of a sample to the decision boundary, in grey levels; low is hard.",
    "CSR": "Critical sample ratio: the share of the probed samples that are critical at a radius r.",
    "grey level": "1/255 of the range of a pixel.",
    "learned": "A route: the network as trained, with g as computed for each sample.",
    "skip": "A route: g = 0, the block outputs o1.",
    "through": "A route: g = 1, the block outputs o2.",
    "hard": "A route: through where g > 0.5, otherwise skip.",
    "all open": "A route: every filter is open, whatever the gates say.",
    "same class": "A route: the open filters are those of another sample with the same given label.",
    "other class": "A route: the open filters are those of another sample with another given label.",
    "rare closed": "A route: the sample's own pattern with the rare filters closed.",
    "PCA": "Principal components: the directions in which the vectors of the samples vary most.",
    "t-SNE": "A map on which near points are near vectors; distances between groups and their sizes mean nothing.",
    "UMAP": "Another map of near vectors, as t-SNE; needs the package umap-learn.",
    "read-out": "A logistic regression trained on the features of all training samples at one point of the network.",
    "read-out o1": "The read-out at o1 of B3.",
    "read-out end": "The read-out at the input of the network's last layer.",
    "cut": "A pair of routes of which the second leaves out part of the network, such as learned - skip.",
    "fit of all": "Share of all samples of a group that fit their given label.",
    "of the fitted": "Share of the samples fitted along the first route that are not fitted along the second.",
    "control": "An ungated run on the same data, cut at the same place: any network that is cut loses some fit.",
    "input curvature": "Frobenius norm of the loss's second derivative by the pixels; high is hard. Its mean over "
    "checkpoints is a measure of memorisation. Garg et al. 2024.",
    "prediction depth": "First point of the network from which k-NN agrees with its prediction; high is hard.",
    "interval": "95 % interval over samples: Wilson's for shares, Bonett and Price's for paired differences.",
    "within classes": "Compared with samples of the same classes (of the images): what is left if classes differ.",
    "Jaccard": "Of the samples that at least one of two runs routes, the share that both route.",
    "Cohen's kappa": "Agreement beyond chance: 0 is what the two shares routed give by chance, 1 is the same routes.",
    "cohort": "A selection of samples saved with the run under a name.",
    "epoch shown": "The epoch set in the sidebar: routes are those of this epoch, scores count the epochs up to it.",
    "log mode": "eval: logged in evaluation passes after each epoch; online: logged during the training passes.",
}
"""Term to its definition."""


SCORE_TERMS = ("CSL", "LT-IQR", "AUM", "EL2N", "GMM", "MACs", "SEI", "g", "H", "nats")
"""Terms in the titles of scores."""


def definitions(*terms: str) -> str:
    """Definitions of terms as Markdown, a line a term, for a help mark.

    Args:
        terms: keys of :data:`TERMS`, in the order in which they are shown.
    """
    return "\n".join(f"- **{term}**: {TERMS[term]}" for term in terms)
