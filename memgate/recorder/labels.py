"""Labels and images of a training loop outside memgate, as arrays and as a manifest. Imports no torch."""

import csv
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memgate.errors import MemgateError, require
from noise.apply import corrupt
from noise.errors import NoiseError
from noise.files.digests import pixels_digest, source_digest
from noise.manifest.manifest import Manifest
from noise.pixels import in_colour

GIVEN_LABELS = "given_labels.csv"
"""File in the run's folder: the given and clean labels where they differ; the manifest's label list."""


def label_list(clean: NDArray[np.int64], given: NDArray[np.int64]) -> bytes:
    """Clean and given labels [N] as the CSV that ``label-list:file=`` reads."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("sample_id", "clean_label", "given_label"))
    writer.writerows(zip(range(len(clean)), clean.tolist(), given.tolist(), strict=True))
    return stream.getvalue().encode()


def list_manifest(
    listed: bytes,
    clean: NDArray[np.int64],
    names: Sequence[str],
    data: str,
    images: NDArray[np.uint8] | None,
) -> Manifest:
    """The manifest of labels that were corrupted outside memgate: one label list, or no operation at all.

    Args:
        listed: the CSV of :func:`label_list`; empty where the given labels are the clean ones.
        clean: clean labels [N].
        names: class names, K of them.
        data: name of the data set.
        images: uint8 [N, H, W, 3]. None where the images are not available: the manifest's image shape is then ()
            and its digests are those of images without pixels.

    Raises:
        MemgateError: a label is not one of the classes, or the data set's name cannot be hashed.
    """
    pixels = np.zeros((len(clean), 1, 1, 3), np.uint8) if images is None else images
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / GIVEN_LABELS
            file.write_bytes(listed)
            specs = [f"label-list:file={file}"] if listed else []
            grey = None if images is not None else False  # unknown without images
            manifest = corrupt(
                pixels, clean, specs, seed=0, dataset=data, class_names=names, grey=grey
            ).manifest
    except NoiseError as error:
        raise MemgateError(f"The labels cannot be recorded: {error}") from error
    # The path is relative to the run's folder, so that the run can be moved.
    spec = f"label-list:file={GIVEN_LABELS}"
    operations = tuple(replace(operation, text=spec) for operation in manifest.header.operations)
    header = replace(manifest.header, operations=operations)
    if images is None:
        empty = no_images(len(clean))
        header = replace(
            header,
            image_shape=(),
            source_digest=source_digest(empty, clean),
            pixels_digest=pixels_digest(empty),
        )
    return replace(manifest, header=header)


def labels_by_split(
    labels: ArrayLike | Mapping[str, ArrayLike] | None, counts: Mapping[str, int]
) -> dict[str, NDArray[np.int64]]:
    """Split to its given labels, int64 [N]; a single array is that of the training split.

    Raises:
        MemgateError: a split is not in ``counts``, or its labels are not N integers from 0.
    """
    return {
        split: checked_labels(values, counts[split], f"labels of {split}")
        for split, values in _by_split(labels, "labels", counts).items()
    }


def images_by_split(
    images: ArrayLike | Mapping[str, ArrayLike] | None, counts: Mapping[str, int]
) -> dict[str, NDArray[Any]]:
    """Split to its images [N, H, W, 3]; grey images [N, H, W] get three equal channels.

    Raises:
        MemgateError: a split is not in ``counts``, or its images are not an array.
    """
    return {
        split: in_colour(as_array(values, "images"))
        for split, values in _by_split(images, "images", counts).items()
    }


def _by_split(values: Any, what: str, counts: Mapping[str, int]) -> dict[str, Any]:
    """Split to value, from a mapping or from the training split's value alone; raises MemgateError."""
    splits = dict(values) if isinstance(values, Mapping) else {} if values is None else {"train": values}
    for split in splits:
        require(split in counts, f"{what} name the split {split!r}, and n_samples has {', '.join(counts)}.")
    return splits


def checked_labels(labels: ArrayLike, count: int, what: str) -> NDArray[np.int64]:
    """The labels as int64 [count].

    Raises:
        MemgateError: they are not ``count`` integers from 0.
    """
    array = as_array(labels, what)
    require(
        array.shape == (count,) and array.dtype.kind in "iu",
        f"{what} are {array.dtype}{list(array.shape)} and must be {count} integers.",
    )
    require(int(array.min()) >= 0, f"{what} hold {array.min()}: labels count from 0.")
    return array.astype(np.int64)


def as_array(values: ArrayLike, what: str) -> NDArray[Any]:
    """The values as a NumPy array.

    Raises:
        MemgateError: they cannot be converted.
    """
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise MemgateError(
            f"{what} cannot be converted to an array ({error}): give an array on the CPU."
        ) from error


def no_images(count: int) -> NDArray[np.uint8]:
    """Images without pixels, uint8 [count, 0, 0, 3]: a placeholder for images that are not available."""
    return np.zeros((count, 0, 0, 3), np.uint8)


def loaded_manifest(manifest: Any) -> Manifest | None:
    """The manifest, loaded where a path is given; None stays None.

    Raises:
        MemgateError: the value is neither a manifest nor a path, or the file cannot be read.
    """
    if isinstance(manifest, str | Path):
        try:
            return Manifest.load(Path(manifest))
        except NoiseError as error:
            raise MemgateError(str(error)) from error
    require(
        manifest is None or isinstance(manifest, Manifest),
        f"manifest is a {type(manifest).__name__} and must be the path of a manifest, or one that was loaded.",
    )
    return manifest
