"""TODO."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from probes.stats.bootstrap import paired_bootstrap
from probes.stats.intervals import mean_interval, wilson


@dataclass(frozen=True)
class Estimate:
    """A share or a mean with its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Samples behind it."""


def share(hits: ArrayLike) -> Estimate:
    """Share of true values with Wilson's interval; missing values are left out."""
    known = pd.Series(hits).dropna().to_numpy(bool)
    return ratio(int(known.sum()), len(known))


def ratio(count: int, n: int) -> Estimate:
    """A share as count of n, with Wilson's interval; without a value where n is 0."""
    low, high = wilson(count, n)
    return estimate(count / n if n else np.nan, float(low), float(high), n)


def average(values: ArrayLike) -> Estimate:
    """Mean with its t interval; missing values are left out."""
    known = pd.Series(values).dropna().to_numpy(np.float64)
    return estimate(*mean_interval(known), len(known))


def estimate(value: float, low: float, high: float, n: int) -> Estimate:
    """A number of n samples with the ends of its interval; NaN is what is undefined."""
    found = [None if np.isnan(number) else float(number) for number in (value, low, high)]
    return Estimate(*found, n=n)


def difference(values: ArrayLike, others: ArrayLike | None = None) -> Estimate:
    """Mean of per-sample differences, or how much larger it is than that of ``others``, with the bootstrap's interval.

    See :func:`probes.stats.bootstrap.paired_bootstrap`.
    """
    n = len(np.asarray(values)) + (0 if others is None else len(np.asarray(others)))
    return estimate(*paired_bootstrap(values, others), n)


def percent(found: Estimate) -> str:
    """A share as text with its interval; ``-`` where it is undefined."""
    if found.value is None or found.low is None or found.high is None:
        return "-"
    return f"{found.value:.1%} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def points(found: Estimate) -> str:
    """A difference of shares in percentage points with its interval; ``-`` where it is undefined."""
    if found.value is None or found.low is None or found.high is None:
        return "-"
    return f"{100 * found.value:+.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


class Interval(Protocol):
    """A number with the ends of its interval; None where it is undefined."""

    @property
    def value(self) -> float | None: ...  # noqa: D102
    @property
    def low(self) -> float | None: ...  # noqa: D102
    @property
    def high(self) -> float | None: ...  # noqa: D102


def decimal(found: Interval) -> str:
    """A number as text with its interval, where it has one; ``-`` where it is undefined."""
    if found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def significant(found: Interval) -> str:
    """A number with three significant digits and its interval, where it has one, as text; ``-`` where undefined."""
    if found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.value:.3g}"
    return f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"


def value_text(found: Interval | None, form: str = "{:.3f}") -> str:
    """The value alone as text in a format such as ``{:.1%}``; a dash where it is undefined."""
    return "–" if found is None or found.value is None else form.format(found.value)


def interval_text(found: Interval | None, form: str = "{:.3f}") -> str:
    """The ends of the interval alone as text, such as ``0.710 – 0.774``; a dash where they are undefined."""
    if found is None or found.low is None or found.high is None:
        return "–"
    return f"{form.format(found.low)} – {form.format(found.high)}"
