"""Makes the bytes of an HDF5 file that is written once and never changed: its content, its format and its seal."""

import io
from collections.abc import Callable

import h5py

from memgate.log.new_file import fixed
from memgate.log.seal import user_block, write_seal


def sealed_content(schema: str, fill: Callable[[h5py.File], object], *, ordered: bool = False) -> memoryview:
    """The bytes of a sealed HDF5 file, made in memory, since HDF5 itself does not report the error of a full disk.

    Args:
        schema: format of the file, stored as its attribute ``schema`` too.
        fill: writes the content into the empty file.
        ordered: whether groups at the top keep the order in which they are made.
    """
    buffer, start = io.BytesIO(), user_block(0, 0)
    with h5py.File(buffer, "w", track_order=ordered, userblock_size=start) as handle:
        handle.attrs["schema"] = fixed(schema)
        fill(handle)
    write_seal(buffer, schema, start)
    return buffer.getbuffer()
