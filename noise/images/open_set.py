"""Open-set noise: images of another data set under labels of ours (EvidentialMix, Sachdeva et al. 2021)."""

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
from noise.pixels import luminance
from noise.streams import below
from noise.task import Change, Task


@dataclass(frozen=True, eq=False)
class ImageSource:
    """Images of another data set.

    Attributes:
        name: name in the ``source`` column of the manifest, before the row number.
        images: [M, h, w] or [M, h, w, c] uint8.
        record: (name, SHA-256) of the file, or of the pixels of a data set that was passed in.
    """

    name: str
    images: NDArray[np.uint8]
    record: tuple[str, str]


def source_of(task: Task) -> ImageSource:
    """The image source that the spec names.

    Raises:
        NoiseError: its file is missing or holds no images, or the data set was not passed in.
    """
    text = task.spec.parameter("source")
    if not text.startswith("npz="):
        require(
            text in task.sources,
            f"{task.spec}: the images of {text} were not passed in: pass them as sources={{{text!r}: images}}.",
        )
        require(
            text != task.data_set,
            f"{task.spec}: images of {text} cannot be open-set noise for {text} itself: take another source.",
        )
        images = _checked(task.sources[text], text)
        return ImageSource(text, images, (text, pixels_digest(images)))
    return read_images(text.removeprefix("npz="), ("images", "train_images"))


def read_images(path: str | Path, names: Sequence[str]) -> ImageSource:
    """Images of an .npz file: the first array of ``names`` that it holds.

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
    """Images [M, h, w] or [M, h, w, c] uint8; raises NoiseError for anything else."""
    images = np.asarray(images)
    require(
        images.dtype == np.uint8 and images.ndim in (3, 4) and images.size > 0,
        f"the images of {name} are {images.dtype}{list(images.shape)} and must be uint8[M, h, w, 3].",
    )
    return images


def fitted(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Images [n, H, W, C] uint8: resized bilinearly (antialiased, Pillow).

    Grey images get C equal channels; colour images become their luminance where C is 1.

    Args:
        images: [n, h, w] or [n, h, w, c] uint8.
        shape: (H, W, C).

    Returns:
        [n, H, W, C] uint8; images that already have this shape are returned unchanged.

    Raises:
        NoiseError: the channels do not fit.
    """
    height, width, channels = shape
    if images.ndim == 3:
        images = images[..., None]
    if images.shape[-1] == 1:
        images = np.repeat(images, channels, axis=-1)
    elif channels == 1 and images.shape[-1] == 3:
        images = luminance(images)
    require(
        images.shape[-1] == channels,
        f"the open-set source has {images.shape[-1]} channels, the data has {channels}: convert one of them.",
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
        images=task.render(lambda single: fitted(source.images[rows], single.images.shape[1:])),
        sources=tuple(f"{source.name}:{row}" for row in rows.tolist()),
        files=(source.record,),
    )


def open_set(task: Task) -> Change:
    """Change for ``open:rate:source=…``: the i-th chosen sample gets the i-th source image in the source's hash order.

    No source image is used twice. Validation and test splits start at the end of that order, so that a network is not
    tested on foreign images that it was trained on, as long as the source is large enough for both. With
    ``labels=uniform`` the label is drawn from all K classes.

    Raises:
        NoiseError: the source is missing or has too few images.
    """
    source = source_of(task)
    positions = task.take(task.order())
    require(
        len(positions) <= len(source.images),
        f"{task.spec} needs {len(positions)} images, {source.name} has {len(source.images)}: "
        "lower the rate or use a larger source.",
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
    """Change for ``open-list``: the images that an EvidentialMix file lists, for the listed samples that are free.

    Raises:
        NoiseError: a file is missing or wrong, or lists an image that the source does not have.
    """
    source, file = source_of(task), read_file(task.spec.parameter("file"))
    pairs = open_pairs(file)
    check_rows(task, file.path, pairs[:, 0])
    largest = int(pairs[:, 1].max(initial=-1))
    require(
        largest < len(source.images),
        f"{file.path} lists image {largest}, but {source.name} has {len(source.images)}: use the right source.",
    )
    row_of = dict(pairs.tolist())
    chosen = task.free & np.isin(task.sample_id, pairs[:, 0])
    positions = np.flatnonzero(chosen)
    rows = np.array([row_of[number] for number in task.sample_id[positions].tolist()], dtype=np.int64)
    change = _replaced(task, source, positions, rows)
    return replace(change, files=(file.record, *change.files))


def images_at(task: Task, references: Sequence[str]) -> NDArray[np.uint8]:
    """Images [n, H, W, C] uint8 that entries of the ``source`` column of a manifest name.

    Raises:
        NoiseError: the source is missing or is not the one that the manifest names.
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
    chosen = source.images[np.array(rows)]
    return task.render(lambda single: fitted(chosen, single.images.shape[1:]))
