"""The batch-shaping loss of Bejnordi et al. 2020, eq. (2): how far a feature's values in a batch are from a prior."""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from memgate.errors import MemgateError, require
from memgate.shaping.priors import Distribution


def batch_shaping_loss(
    values: Tensor, prior: Distribution, weight: float = 1.0, reduction: Literal["sum", "mean"] = "sum"
) -> Tensor:
    """The weighted batch-shaping loss, a scalar: 0 at best, low where each feature is distributed as the prior.

    Of one feature it is the Cramér-von Mises criterion: the mean over the batch of (i / (N + 1) - F(x_i))², where x_i
    is the i-th smallest of its N values and F the distribution function of the prior. It is at most 1/3; N values
    drawn from the prior have 1 / (6 (N + 1)) in expectation. N is that of the values given, so a smaller last batch
    needs no care.

    The gradient of a value x is 2 / N (F(x) - rank / (N + 1)) times the prior's density at x. Equal values share the
    mean of their ranks in it, which is the mean of the gradients from both sides: neither value nor gradient
    depends on the order of the samples. (Ties are common: saturated sigmoids, logits in 16 bits.)

    Args:
        values: [N, ...], the batch along the first axis; every position along the others is a feature of its own. 16
            bits are computed in float32.
        prior: a distribution of memgate (Beta, Uniform, Normal, Prior), or any object with its functions ``cdf`` and
            ``pdf``. For gates, ``Beta(0.6, 0.4).of_logits()`` and their logits.
        weight: the loss is multiplied by it, 0 or more; lambda of the paper.
        reduction: over the features: their ``sum`` as in the paper, or their ``mean``.

    Returns:
        A scalar in float32, or float64 of values in float64. A single sample (N = 1) is pulled to the prior's median.

    Raises:
        MemgateError: there are no values, the weight is negative, or the prior cannot have such values.

    Source:
        Bejnordi, Blankevoort, Welling: Batch-shaping for learning conditional channel gated networks, ICLR 2020; the
        criterion is from Anderson: On the distribution of the two-sample Cramér-von Mises criterion, 1962. The
        authors' code of 2023 takes the mean over features, and where it handles ties gives them the largest rank.

    Example:
        >>> import torch
        >>> from memgate import Beta, batch_shaping_loss
        >>> logits = torch.full((256, 1), 100.0, requires_grad=True)  # gates that are always open
        >>> loss = batch_shaping_loss(logits, Beta(0.6, 0.4).of_logits(), weight=0.75)
        >>> loss.item() / 0.75
        0.332...
        >>> loss.backward()
    """
    require(
        values.ndim > 0 and values.numel() > 0,
        f"Values of the shape {tuple(values.shape)} have no distribution over a batch: give [N, ...], N of 1 or more.",
    )
    require(weight >= 0, f"weight {weight} is out of range: 0 or more.")
    require(reduction in ("sum", "mean"), f"reduction {reduction!r} must be 'sum' or 'mean'.")
    features = values.reshape(len(values), -1).T.to(torch.promote_types(values.dtype, torch.float32))
    rank, ties = ranks(features.detach())
    steps = len(values) + 1
    distance = rank / steps - Probability.apply(features, prior)
    # Distinct ranks of m equal values, as in the paper, have this variance around their mean.
    spread = (ties**2 - 1) / (12 * steps**2)
    criterion = (distance**2 + spread).mean(dim=1)
    return weight * (criterion.sum() if reduction == "sum" else criterion.mean())


def ranks(features: Tensor) -> tuple[Tensor, Tensor]:
    """Rank of each value among those of its row, from 1 to N, and how many values are equal to it, itself included.

    Equal values have the mean of their ranks.

    Args:
        features: [F, N].

    Returns:
        Two tensors [F, N] in the precision of the values.

    Example:
        >>> import torch
        >>> ranks(torch.tensor([[0.5, 0.1, 0.5, 0.9]]))
        (tensor([[2.5000, 1.0000, 2.5000, 4.0000]]), tensor([[2., 1., 2., 1.]]))
    """
    ordered, order = features.sort(dim=1)
    starts = functional.pad(ordered[:, 1:] != ordered[:, :-1], (1, 0))
    # Number of each value's group of equal ones. Searching every value in the sorted ones takes three times as long.
    group = torch.empty_like(order).scatter_(1, order, starts.cumsum(dim=1))
    size = torch.zeros_like(features).scatter_add_(1, group, torch.ones_like(features))
    mean_rank = size.cumsum(dim=1) - (size - 1) / 2
    return mean_rank.gather(1, group), size.gather(1, group)


class Probability(torch.autograd.Function):
    """Distribution function of a prior at each value, whose derivative is the prior's density."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, prior: Distribution) -> Tensor:
        """The probabilities, in the shape of the values."""
        ctx.save_for_backward(values)
        ctx.prior = prior
        return _checked(prior.cdf(values.detach()), values, "cdf")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        """The gradient of the values; it can be differentiated again where the density can."""
        (values,) = ctx.saved_tensors
        return grads[0] * _checked(ctx.prior.pdf(values), values, "pdf"), None


def _checked(result: Any, values: Tensor, name: str) -> Tensor:
    """The result of a prior's function, which another may have written: a tensor in the shape of the values."""
    if not isinstance(result, Tensor):
        raise MemgateError(
            f"The prior's {name} gave a {type(result).__name__} instead of a tensor: functions of numpy or scipy "
            "need Prior.from_numpy(cdf, pdf)."
        )
    require(
        result.shape == values.shape,
        f"The prior's {name} gave the shape {tuple(result.shape)} for values {tuple(values.shape)}; it must keep it.",
    )
    return result
