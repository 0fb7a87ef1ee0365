"""Priors for batch shaping: the distributions that a feature can be pulled to.

A prior is any object with two functions of a tensor of values: ``cdf``, its distribution function F, and ``pdf``, its
density F'. The loss takes its value from the first and its gradient from the second.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from memgate.config.checks import LEAST_SHAPE, MOST_SHAPE
from memgate.errors import MemgateError, require
from memgate.shaping import logit_beta

MARGIN = 2.0**-23
"""Where the density of a Beta prior is infinite at 0 or 1, values nearer to them have that of this distance."""


ROUNDING = 1e-6
"""Values outside of [0, 1] by no more than this, such as a mean of ones, count as 0 or 1 for a Beta prior."""


class Distribution(Protocol):
    """What the loss needs of a prior."""

    def cdf(self, values: Tensor, /) -> Tensor:
        """Probability F of being at most each value, in [0, 1] and in the shape of the values."""
        ...

    def pdf(self, values: Tensor, /) -> Tensor:
        """Density F' at each value, 0 or more and finite, in the shape of the values."""
        ...


@dataclass(frozen=True)
class Beta:
    """The Beta distribution, for values in [0, 1]; for the logits of gates, :meth:`of_logits`.

    Its mean is a / (a + b). Below 1, a parameter makes values at that end (a: 0, b: 1) likely: Beta(0.6, 0.4), the
    prior of Bejnordi et al. 2020 for gates, has most of its values near 0 and near 1, and the mean 0.6.

    Such a density is infinite at 0 or 1. Values nearer than 1.2e-7 get the density at that distance (4,300 at 1 for
    Beta(0.6, 0.4)), so that every gradient is finite; the authors' released loss limits it to 100. Shape sigmoid
    outputs by their logits instead: float32 rounds sigmoid(17) to 1.

    Args:
        a: first parameter, from 0.001 to 10,000.
        b: second parameter, from 0.001 to 10,000.

    Raises:
        MemgateError: a parameter is out of its range; of ``cdf``, a value outside of [0, 1] (the check waits for the
            device; :meth:`of_logits` needs none).

    Example:
        >>> import torch
        >>> from memgate import Beta
        >>> Beta(0.6, 0.4).cdf(torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.3841, 1.0000])
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        for name, value in (("a", self.a), ("b", self.b)):
            require(
                LEAST_SHAPE <= value <= MOST_SHAPE,
                f"Beta({self.a}, {self.b}) is no prior: {name} must be from {LEAST_SHAPE} to {MOST_SHAPE:.0f}.",
            )

    def of_logits(self) -> "LogitBeta":
        """The same prior of p = sigmoid(z), as a prior for the logits z: its gradient is bounded, without a clamp.

        Example:
            >>> import torch
            >>> from memgate import Beta
            >>> Beta(0.6, 0.4).of_logits().pdf(torch.tensor([-5.0, 0.0, 5.0]))
            tensor([0.0150, 0.1514, 0.0407])
        """
        return LogitBeta(self)

    def cdf(self, values: Tensor) -> Tensor:
        """Probability of being at most each value, in [0, 1]."""
        outside = (values < -ROUNDING) | (values > 1 + ROUNDING)
        if outside.any():
            raise MemgateError(
                f"A value of {values[outside][0].item():.4g} does not fit Beta({self.a}, {self.b}), a prior of values "
                "from 0 to 1: take the sigmoid, or give logits and the prior's of_logits()."
            )
        x = values.clamp(0, 1)
        return logit_beta.cdf(x.log() - (-x).log1p(), self.a, self.b)

    def pdf(self, values: Tensor) -> Tensor:
        """Density at each value; at most that at MARGIN from 0 and 1."""
        x = values.clamp(MARGIN, 1 - MARGIN)
        # The density of the logit is larger by the factor dx/dz = x (1 - x).
        return logit_beta.pdf(x.log() - (-x).log1p(), self.a, self.b) / (x * (1 - x))


@dataclass(frozen=True)
class LogitBeta:
    """Distribution of the logit z of a value sigmoid(z) that has a Beta distribution; see Beta.of_logits."""

    beta: Beta

    def cdf(self, values: Tensor) -> Tensor:
        """Probability that the logit is at most each value."""
        return logit_beta.cdf(values, self.beta.a, self.beta.b)

    def pdf(self, values: Tensor) -> Tensor:
        """Density of the logit at each value: bounded everywhere."""
        return logit_beta.pdf(values, self.beta.a, self.beta.b)


@dataclass(frozen=True)
class Uniform:
    """The uniform distribution from ``low`` to ``high``.

    Outside of it the density is 0: the loss counts such values, and gives them no gradient. Shape a feature that is
    bounded, such as a sigmoid's or tanh's output, or normalise it first.

    Args:
        low: lower end.
        high: upper end, above the lower one.

    Raises:
        MemgateError: the ends are not finite, or not in this order.

    Example:
        >>> import torch
        >>> from memgate import Uniform
        >>> Uniform(-1, 1).cdf(torch.tensor([-2.0, 0.0, 0.5]))
        tensor([0.0000, 0.5000, 0.7500])
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        width = self.high - self.low
        require(
            math.isfinite(width) and width > 0,
            f"Uniform({self.low}, {self.high}) is no prior: low must be below high, and both must be finite.",
        )

    def cdf(self, values: Tensor) -> Tensor:
        """Probability of being at most each value."""
        return ((values - self.low) / (self.high - self.low)).clamp(0, 1)

    def pdf(self, values: Tensor) -> Tensor:
        """Density at each value: 1 / (high - low) from low to high, and 0 elsewhere."""
        return ((values >= self.low) & (values <= self.high)).to(values.dtype) / (self.high - self.low)


@dataclass(frozen=True)
class Normal:
    """The normal distribution.

    Args:
        mean: of the distribution.
        std: standard deviation, above 0.

    Raises:
        MemgateError: a parameter is not finite, or the standard deviation not above 0.

    Example:
        >>> import torch
        >>> from memgate import Normal
        >>> Normal(0, 1).cdf(torch.tensor([-1.96, 0.0, 1.96]))
        tensor([0.0250, 0.5000, 0.9750])
    """

    mean: float
    std: float

    def __post_init__(self) -> None:
        require(
            math.isfinite(self.mean) and math.isfinite(self.std) and self.std > 0,
            f"Normal({self.mean}, {self.std}) is no prior: std must be above 0, and both must be finite.",
        )

    def cdf(self, values: Tensor) -> Tensor:
        """Probability of being at most each value."""
        return torch.special.ndtr((values - self.mean) / self.std)

    def pdf(self, values: Tensor) -> Tensor:
        """Density at each value."""
        return torch.exp(-(((values - self.mean) / self.std) ** 2) / 2) / (self.std * math.sqrt(2 * math.pi))


@dataclass(frozen=True)
class Prior:
    """Any distribution, by its distribution function and density; of numpy or scipy, :meth:`from_numpy`.

    Args:
        cdf: tensor of values to the probability of being at most each, in the same shape.
        pdf: tensor of values to the density at each, in the same shape. It should be finite at every value that the
            feature can have: the gradient is proportional to it.

    Example:
        A Laplace distribution of torch:

        >>> import torch
        >>> from memgate import Prior, batch_shaping_loss
        >>> laplace = torch.distributions.Laplace(0.0, 1.0)
        >>> prior = Prior(laplace.cdf, lambda values: laplace.log_prob(values).exp())
        >>> batch_shaping_loss(torch.tensor([-0.5, 0.0, 0.9]), prior)
        tensor(0.0017)
    """

    cdf: Callable[[Tensor], Tensor]
    pdf: Callable[[Tensor], Tensor]

    @classmethod
    def from_numpy(cls, cdf: Callable[[Any], Any], pdf: Callable[[Any], Any]) -> "Prior":
        """The prior of two functions of numpy arrays, which are computed on the host: each call waits for the device.

        Second derivatives take the density as constant.

        Example:
            >>> import torch
            >>> from scipy import stats
            >>> from memgate import Prior, batch_shaping_loss
            >>> prior = Prior.from_numpy(stats.expon.cdf, stats.expon.pdf)
            >>> batch_shaping_loss(torch.tensor([0.2, 0.7, 1.5]), prior)
            tensor(0.0018)
        """
        return cls(_of_tensor(cdf), _of_tensor(pdf))


def _of_tensor(function: Callable[[Any], Any]) -> Callable[[Tensor], Tensor]:
    """A function of arrays as one of tensors, on their device and in their precision."""
    return lambda values: torch.as_tensor(function(values.detach().cpu().numpy())).to(values)
