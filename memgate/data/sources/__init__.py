"""Readers of data sets, one for each data set name.

A reader turns a :class:`DataConfig` into a :class:`Source`: the whole data set as plain arrays in the official order,
from which :mod:`memgate.data.image_set` makes image sets. Torch is imported only where torchvision reads official
files.
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
        MemgateError: the data is missing and cannot be downloaded, or is invalid.
    """
    return READERS[config.name](config)
