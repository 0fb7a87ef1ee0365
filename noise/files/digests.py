"""SHA-256 of images, labels and columns, over bytes that do not depend on library or machine."""

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray


def source_digest(images: NDArray[np.uint8], labels: NDArray[np.integer]) -> str:
    """SHA-256 of the bytes of the images (C order) followed by the labels as little-endian int64.

    Args:
        images: [N, H, W, C] uint8.
        labels: [N] integers.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels, dtype="<i8").data)
    return digest.hexdigest()


def pixels_digest(images: NDArray[np.uint8]) -> str:
    """SHA-256 of the bytes of images [N, H, W, C] uint8 (C order), 64 hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()


def image_digests(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """First eight bytes of the SHA-256 of each image, big-endian, [n] uint64.

    Args:
        images: [n, H, W, C] uint8.

    Returns:
        [n] uint64.
    """
    heads = [hashlib.sha256(np.ascontiguousarray(image).data).digest()[:8] for image in images]
    return np.frombuffer(b"".join(heads), dtype=">u8").astype(np.uint64)


def column_digest(column: NDArray[Any]) -> str:
    """SHA-256 of a column, 64 hexadecimal digits: of its little-endian bytes, or of text as a UTF-8 JSON list.

    Text is not hashed as numpy stores it, because that depends on the longest value.
    """
    if column.dtype.kind == "U":
        return hashlib.sha256(json.dumps(column.tolist()).encode()).hexdigest()
    return hashlib.sha256(np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<")).data).hexdigest()
