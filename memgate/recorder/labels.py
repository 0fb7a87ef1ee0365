"""Labels and pictures of other people's training, as arrays and as a manifest. No torch."""

import csv
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memgate.data.sources.own_files import in_colour
from memgate.errors import MemgateError, require
from noise.apply import corrupt
from noise.errors import NoiseError
from noise.files.digests import pixels_digest, source_digest
from noise.manifest.manifest import Manifest

GIVEN_LABELS = "given_labels.csv"
"""The given and clean labels of a recorded run whose labels somebody corrupted: the manifest's label list."""


def label_list(clean: NDArray[np.int64], given: NDArray[np.int64]) -> bytes:
    """Labels [N] as the CSV that ``label-list:file=`` reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("sample_id", "clean_label", "given_label"))
    writer.writerows(zip(range(len(clean)), clean.tolist(), given.tolist(), strict=True))
    return text.getvalue().encode()


def list_manifest(
    listed: bytes,
    clean: NDArray[np.int64],
    names: Sequence[str],
    data: str,
    images: NDArray[np.uint8] | None,
) -> Manifest:
    """The manifest of labels that somebody else corrupted: a label list, or nothing at all.

    Args:
        listed: of :func:`label_list`; empty where the given labels are the clean ones.
        clean: clean labels [N].
        names: of the classes.
        data: name of the data set.
        images: uint8 [N, H, W, 3]; None where they are not at hand: the header then has the image shape () and the
            digests of no pixels.

    Raises:
        MemgateError: the labels do not fit the classes, or the name cannot be hashed.
    """
    pixels = np.zeros((len(clean), 1, 1, 3), np.uint8) if images is None else images
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / GIVEN_LABELS
            file.write_bytes(listed)
            specs = [f"label-list:file={file}"] if listed else []
            manifest = corrupt(pixels, clean, specs, seed=0, dataset=data, class_names=names).manifest
    except NoiseError as error:
        raise MemgateError(f"The labels cannot be recorded: {error}") from error
    # The file lies in the run's folder, wherever that is moved to.
    text = f"label-list:file={GIVEN_LABELS}"
    operations = tuple(replace(operation, text=text) for operation in manifest.header.operations)
    header = replace(manifest.header, operations=operations)
    if images is None:
        none = no_images(len(clean))
        header = replace(
            header,
            image_shape=(),
            source_digest=source_digest(none, clean),
            pixels_digest=pixels_digest(none),
        )
    return replace(manifest, header=header)


def by_split(values: Any, what: str, counts: Mapping[str, int]) -> dict[str, Any]:
    """A Recorder's argument that may be given for the training split alone, or as split to value.

    Raises:
        MemgateError: it names a split that there is not.
    """
    found = dict(values) if isinstance(values, Mapping) else {} if values is None else {"train": values}
    for split in found:
        require(split in counts, f"{what} name the split {split!r}, and n_samples has {', '.join(counts)}.")
    return found


def checked_labels(labels: ArrayLike, count: int, what: str) -> NDArray[np.int64]:
    """Labels as int64 [count].

    Raises:
        MemgateError: they are no such integers.
    """
    found = as_array(labels, what)
    require(
        found.shape == (count,) and found.dtype.kind in "iu",
        f"{what} are {found.dtype}{list(found.shape)} and must be {count} integers.",
    )
    require(int(found.min()) >= 0, f"{what} hold {found.min()}: labels count from 0.")
    return found.astype(np.int64)


def checked_images(images: ArrayLike) -> NDArray[Any]:
    """Images as an array [N, H, W, 3]; grey ones get their channel three times; raises as :func:`as_array` does."""
    return in_colour(as_array(images, "images"))


def as_array(values: ArrayLike, what: str) -> NDArray[Any]:
    """Values as an array of the host.

    Raises:
        MemgateError: they are none.
    """
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise MemgateError(f"{what} are no array ({error}): give one, on the CPU.") from error


def no_images(count: int) -> NDArray[np.uint8]:
    """Stands for the images of samples whose images are not at hand."""
    return np.zeros((count, 0, 0, 3), np.uint8)


def load_manifest(path: Path) -> Manifest:
    """The manifest at a path.

    Raises:
        MemgateError: there is none.
    """
    try:
        return Manifest.load(path)
    except NoiseError as error:
        raise MemgateError(str(error)) from error
