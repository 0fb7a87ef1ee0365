"""Where the pictures come from: one reader for each data set name.

A reader turns a :class:`DataConfig` into a :class:`Source`: plain arrays, whole, in the official order, of
which :mod:`memgate.data.image_set` makes image sets. Torch comes in only where torchvision reads official files.
"""

from collections.abc import Callable

from memgate.config.run import DataConfig
from memgate.data.sources.digits import read_digits
from memgate.data.sources.official import OFFICIAL, read_official
from memgate.data.sources.own_files import read_folder, read_npz
from memgate.data.sources.source import Part, Source

__all__ = ["READERS", "Part", "Source", "read_source"]

READERS: dict[str, Callable[[DataConfig], Source]] = {
    **dict.fromkeys(OFFICIAL, read_official),
    "digits": read_digits,
    "npz": read_npz,
    "folder": read_folder,
}


def read_source(config: DataConfig) -> Source:
    """The whole data set that ``config`` names, before any limit or split.

    Raises:
        MemgateError: it is not there and cannot be fetched, or is not what it should be.
    """
    return READERS[config.name](config)
