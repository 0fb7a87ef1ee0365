"""Numbers of estimates that there must be."""

from probes.stats.estimate import Estimate


def ends(number: Estimate | None) -> tuple[float, float, float]:
    """Value and ends of an interval, which there must be."""
    assert number is not None
    assert number.value is not None
    assert number.low is not None
    assert number.high is not None
    return number.value, number.low, number.high


def holds(number: Estimate | None, value: float) -> bool:
    """Whether an interval, which there must be, contains a value."""
    _, low, high = ends(number)
    return low <= value <= high
