"""The time that the rest of a sweep will take, from the runs that are trained already."""

from collections.abc import Sequence


def time_left(seconds: Sequence[float], runs: int) -> str:
    """The time left as the end of a line: mean seconds per run times runs; empty before the first run, and after all.

    Args:
        seconds: that each run took.
        runs: number of runs that are left.

    Example:
        >>> time_left([20, 30], 60)
        ', about 25 min left'
    """
    if not seconds or not runs:
        return ""
    return f", about {duration(sum(seconds) / len(seconds) * runs)} left"


def duration(seconds: float) -> str:
    """A time as text in one or two units.

    Example:
        >>> duration(42), duration(100), duration(4000)
        ('42 s', '2 min', '1 h 7 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
