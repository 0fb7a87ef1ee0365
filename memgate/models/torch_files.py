"""Files of ``torch.save``: read without pickle and only where the checksums of their zip archive match."""

import io
import zipfile
from typing import Any

import torch


class DamagedFileError(Exception):
    """A file of torch.save cannot be read; the message is the reason in a few words."""


def load_checked(content: bytes, device: torch.device, crc_known: bool = False) -> Any:
    """The object in a file of ``torch.save``, which itself does not verify the archive's checksums.

    Args:
        content: bytes of the file; those of PyTorch before 1.6 are no archive and have no checksum.
        device: device of the tensors.
        crc_known: the caller has verified a checksum of the whole file, so that the archive's need not be computed.

    Raises:
        DamagedFileError: a checksum differs, or the file is of another kind.
    """
    try:
        if not crc_known and zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                damaged = archive.testzip()
            if damaged is not None:
                raise DamagedFileError(f"the checksum of its part {damaged} does not match")
        return torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except DamagedFileError:
        raise
    except Exception as error:  # zipfile and torch raise many types of exceptions for a damaged file
        raise DamagedFileError(type(error).__name__) from error
