"""All corners, in the order of the table."""

from collections.abc import Iterator

from .areas import area_corners
from .associations import association_corners, contrast_corners
from .detection import detection_corners
from .means import difference_corners, mean_corners
from .measure import Corner


def corners() -> Iterator[Corner]:
    """Every interval in its corners."""
    yield from area_corners()
    yield from detection_corners()
    yield from mean_corners()
    yield from difference_corners()
    yield from association_corners()
    yield from contrast_corners()
