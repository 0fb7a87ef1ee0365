"""Open-set noise: an image of another data set under one of our labels (EvidentialMix, Sachdeva et al. 2021)."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from noise.choose import hash_order
from noise.errors import NoiseError, require
from noise.files.digests import pixels_digest
from noise.files.npz import arrays_of
from noise.files.read import read_file
from noise.labels.lists import check_rows, open_pairs
from noise.streams import below
from noise.task import Change, Task


@dataclass(frozen=True, eq=False)
class ImageSource:
    """A foreign data set.

    Attributes:
        name: as it stands in the manifest's ``source`` column, before the row number.
        images: [M, h, w] or [M, h, w, c] uint8.
        record: (name, SHA-256), of the file or else of the pixels.
    """

    name: str
    images: NDArray[np.uint8]
    record: tuple[str, str]


def source_of(task: Task) -> ImageSource:
    """The data set that the spec's ``source`` names.

    Raises:
        NoiseError: its file is missing or holds no images, or it was not passed in.
    """
    text = task.spec.parameter("source")
    if not text.startswith("npz="):
        require(
            text in task.sources,
            f"{task.spec}: the images of {text} are not at hand: pass them as sources={{{text!r}: images}}.",
        )
        require(
            text != task.data_set,
            f"{task.spec}: images of {text} are no open-set noise for {text} itself: take another source.",
        )
        images = _checked(task.sources[text], text)
        return ImageSource(text, images, (text, pixels_digest(images)))
    return read_images(text.removeprefix("npz="), ("images", "train_images"))


def read_images(path: str | Path, names: Sequence[str]) -> ImageSource:
    """The images of an .npz file, under the first of some names that it has; its name is the file's.

    Raises:
        NoiseError: the file is missing, damaged, or holds no images under these names.
    """
    file = read_file(path)
    arrays = arrays_of(io.BytesIO(file.content), str(file.path))
    known = [name for name in names if name in arrays]
    require(
        bool(known),
        f"{file.path} holds no array {' or '.join(map(repr, names))}: save the images under that name.",
    )
    return ImageSource(file.path.name, _checked(arrays[known[0]], str(file.path)), file.record)


def _checked(images: ArrayLike, name: str) -> NDArray[np.uint8]:
    """Images as they must be, or NoiseError."""
    images = np.asarray(images)
    require(
        images.dtype == np.uint8 and images.ndim in (3, 4) and images.size > 0,
        f"the images of {name} are {images.dtype}{list(images.shape)} and must be uint8[M, h, w, 3].",
    )
    return images


def fitted(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Images in the shape of ours: resized bilinearly (antialiased, Pillow), grey ones in three channels.

    Args:
        images: [n, h, w] or [n, h, w, c] uint8.
        shape: (H, W, C).

    Returns:
        [n, H, W, C] uint8; images that have this shape already are passed through unchanged.

    Raises:
        NoiseError: the channels do not fit.
    """
    height, width, channels = shape
    if images.ndim == 3:
        images = images[..., None]
    if images.shape[-1] == 1:
        images = np.repeat(images, channels, axis=-1)
    require(
        images.shape[-1] == channels,
        f"the open-set source has {images.shape[-1]} channels and the data {channels}: convert one of them.",
    )
    if images.shape[1:3] == (height, width):
        return images
    resized = np.empty((len(images), *shape), np.uint8)
    for target, image in zip(resized, images, strict=True):
        for channel in range(channels):
            plane = Image.fromarray(np.ascontiguousarray(image[..., channel]))
            target[..., channel] = plane.resize((width, height), Image.Resampling.BILINEAR)
    return resized


def _replaced(
    task: Task, source: ImageSource, positions: NDArray[np.int64], rows: NDArray[np.int64]
) -> Change:
    """The change that puts row ``rows[i]`` of the source at ``positions[i]``."""
    return Change(
        positions,
        images=fitted(source.images[rows], task.images.shape[1:]),
        sources=tuple(f"{source.name}:{row}" for row in rows.tolist()),
        files=(source.record,),
    )


def open_set(task: Task) -> Change:
    """``open:rate:source=…``: the i-th sample taken gets the i-th image of the source in its own hash order.

    It uses no image of the source twice; validation and test begin at the end of that order, so that a network is not
    tested on foreign images that it was trained on, as long as the source is large enough for both. With
    ``labels=uniform`` the label is drawn from all K classes.

    Raises:
        NoiseError: the source is missing or has fewer images than are asked for.
    """
    source = source_of(task)
    positions = task.take(task.order())
    require(
        len(positions) <= len(source.images),
        f"{task.spec} needs {len(positions)} images and {source.name} has {len(source.images)}: "
        "lower the rate, or take a larger source.",
    )
    rows = hash_order(np.arange(len(source.images)), task.data_set, task.seed, task.spec.kind, "source")
    if task.split in ("val", "test"):
        rows = rows[::-1]
    change = _replaced(task, source, positions, rows[: len(positions)])
    if task.spec.parameter("labels") == "keep":
        return change
    labels = below(task.words(positions, 1)[:, 0], task.class_count)
    return replace(change, labels=labels, convention="open_set_uniform")


def open_list(task: Task) -> Change:
    """``open-list``: the images that a file of EvidentialMix lists, for the samples that are there and free.

    Raises:
        NoiseError: a file is missing or wrong, or lists an image that the source does not have.
    """
    source, file = source_of(task), read_file(task.spec.parameter("file"))
    pairs = open_pairs(file)
    check_rows(task, file.path, pairs[:, 0])
    largest = int(pairs[:, 1].max(initial=-1))
    require(
        largest < len(source.images),
        f"{file.path} lists image {largest} and {source.name} has {len(source.images)}: take the right source.",
    )
    row_of = dict(pairs.tolist())
    chosen = task.free & np.isin(task.sample_id, pairs[:, 0])
    positions = np.flatnonzero(chosen)
    rows = np.array([row_of[number] for number in task.sample_id[positions].tolist()], dtype=np.int64)
    change = _replaced(task, source, positions, rows)
    return replace(change, files=(file.record, *change.files))


def images_at(task: Task, references: Sequence[str]) -> NDArray[np.uint8]:
    """The images that the ``source`` column of a manifest names, [n, H, W, C] uint8.

    Raises:
        NoiseError: the source is missing or is another one.
    """
    source = source_of(task)
    rows: list[int] = []
    for reference in references:
        name, _, row = reference.rpartition(":")
        known = name == source.name and row.isascii() and row.isdigit() and len(row) < 10
        if not known or int(row) >= len(source.images):
            raise NoiseError(
                f"{task.spec} is not the source that the manifest names ({reference!r}; here {source.name} with "
                f"{len(source.images)} images): put the original back."
            )
        rows.append(int(row))
    return fitted(source.images[np.array(rows)], task.images.shape[1:])
