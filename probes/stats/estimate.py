"""A number with its 95 % interval: how it is computed from samples, and how it is written as text.

Every table, report and page writes an estimate with the functions of this module, so that intervals look the same
everywhere: ``0.842 [0.801, 0.877]``, ``84.2% [80.1, 87.7]``, ``+4.2 [1.0, 7.4]`` (percentage points).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from probes.stats.differences import difference_interval, paired_interval
from probes.stats.intervals import mean_interval, wilson


class Interval(Protocol):
    """A number with the ends of its interval; None where it is undefined."""

    @property
    def value(self) -> float | None: ...  # noqa: D102
    @property
    def low(self) -> float | None: ...  # noqa: D102
    @property
    def high(self) -> float | None: ...  # noqa: D102


@dataclass(frozen=True)
class Estimate:
    """A share, a mean or another number with its 95 % interval."""

    value: float | None
    """None where it is undefined."""
    low: float | None
    """Lower end of the interval, in the unit of ``value``; None where there is no interval."""
    high: float | None
    """Upper end."""
    n: int
    """Number of samples that it was computed from."""


def estimate(value: float, low: float, high: float, n: int) -> Estimate:
    """A number computed from n samples with the ends of its interval; NaN becomes None."""
    numbers = [None if np.isnan(number) else float(number) for number in (value, low, high)]
    return Estimate(*numbers, n=n)


def share(hits: ArrayLike) -> Estimate:
    """Share of true values, in [0, 1], with Wilson's interval; missing values are left out."""
    known = pd.Series(hits).dropna().to_numpy(bool)
    return ratio(int(known.sum()), len(known))


def ratio(count: int, n: int) -> Estimate:
    """Share ``count / n``, in [0, 1], with Wilson's interval; no value where n is 0."""
    low, high = wilson(count, n)
    return estimate(count / n if n else np.nan, float(low), float(high), n)


def average(values: ArrayLike, within: tuple[float, float] | None = None) -> Estimate:
    """Mean with its interval, in the unit of ``values``; missing values are left out.

    Args:
        values: numbers; NaN is missing.
        within: smallest and largest possible value, see :func:`probes.stats.intervals.mean_interval`.
    """
    known = pd.Series(values).dropna().to_numpy(np.float64)
    return estimate(*mean_interval(known, within), len(known))


def gate_range(values: ArrayLike) -> tuple[float, float] | None:
    """Smallest and largest possible gate value for :func:`average`, (0, 1); None for one that is an entropy in nats.

    Args:
        values: every value of the gate, which tell the two apart: entropies exceed 1 somewhere; NaN is missing.
    """
    numbers = np.asarray(values, np.float64)
    return None if (numbers[~np.isnan(numbers)] > 1).any() else (0, 1)


def difference(values: ArrayLike, largest: float = 1.0) -> Estimate:
    """Mean of differences between two outcomes of the same samples, with its interval.

    See :func:`probes.stats.differences.paired_interval`.
    """
    return estimate(*paired_interval(values, largest), len(np.asarray(values)))


def excess(first: Estimate, second: Estimate) -> Estimate:
    """First number minus second, of different samples, with its interval; no value where one of them has none.

    See :func:`probes.stats.differences.difference_interval`.
    """
    return estimate(*difference_interval(_numbers(first), _numbers(second)), first.n + second.n)


def _numbers(number: Interval) -> tuple[float, float, float]:
    """Value, lower and upper end; NaN where one is undefined."""
    value, low, high = (np.nan if end is None else end for end in (number.value, number.low, number.high))
    return value, low, high


def with_interval(number: Interval, form: str = "{:.3f}", missing: str = "-") -> str:
    """``value [low, high]``, each in one format; the value alone where there is no interval.

    Args:
        number: the estimate to write.
        form: format of each of the three numbers, such as ``{:.2f}``, ``{:.3g}`` or ``{:.1%}``.
        missing: text for an undefined value.
    """
    if number.value is None or number.low is None or number.high is None:
        return value_text(number, form, missing)
    return f"{form.format(number.value)} [{form.format(number.low)}, {form.format(number.high)}]"


def value_text(number: Interval | None, form: str = "{:.3f}", missing: str = "–") -> str:
    """The value alone, in a format such as ``{:.1%}``; ``missing`` where it is undefined."""
    return missing if number is None or number.value is None else form.format(number.value)


def interval_text(number: Interval | None, form: str = "{:.3f}", missing: str = "–") -> str:
    """The ends of the interval alone, ``0.710 – 0.774``; ``missing`` where there is no interval."""
    if number is None or number.low is None or number.high is None:
        return missing
    return f"{form.format(number.low)} – {form.format(number.high)}"


def decimal(number: Interval, missing: str = "-") -> str:
    """A number with three decimals, ``0.842 [0.801, 0.877]``; the value alone where there is no interval."""
    return with_interval(number, "{:.3f}", missing)


def significant(number: Interval, missing: str = "-") -> str:
    """A number as :func:`short` text, ``12.3 [9.87, 15]``; the value alone where there is no interval."""
    if number.value is None:
        return missing
    if number.low is None or number.high is None:
        return short(number.value)
    return f"{short(number.value)} [{short(number.low)}, {short(number.high)}]"


def short(value: float, digits: int = 3) -> str:
    """A number with a few significant digits; from a million on in millions, ``4.94 M``."""
    if not 1e6 <= abs(value) < np.inf:
        return f"{value:.{digits}g}"
    millions = value / 1e6
    few = abs(millions) < 10**digits - 0.5  # of more, 'g' would write an exponent
    return f"{millions:.{digits}g} M" if few else f"{millions:,.0f} M"


def percent(share: Interval, digits: int = 1, missing: str = "-") -> str:
    """A share in percent, ``84.2% [80.1, 87.7]``; the value alone where there is no interval.

    Args:
        share: in [0, 1].
        digits: decimals of the percentages.
        missing: text for an undefined share.
    """
    if share.value is None:
        return missing
    value = f"{share.value:.{digits}%}"
    if share.low is None or share.high is None:
        return value
    return f"{value} [{100 * share.low:.{digits}f}, {100 * share.high:.{digits}f}]"


def points(change: Interval, missing: str = "-") -> str:
    """A difference of shares in percentage points with its sign, ``+4.2 [1.0, 7.4]``.

    ``missing`` where it or its interval is undefined.
    """
    if change.value is None or change.low is None or change.high is None:
        return missing
    return f"{100 * change.value:+.1f} [{100 * change.low:.1f}, {100 * change.high:.1f}]"
