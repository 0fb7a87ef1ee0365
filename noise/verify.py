"""Check of a manifest: recompute it from the clean data and compare."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noise.apply import corrupt
from noise.errors import NoiseError
from noise.files.read import located
from noise.manifest.header import Operation
from noise.manifest.manifest import Manifest
from noise.pixels import as_recorded, checked_images, is_grey


def verify(
    manifest: Manifest,
    images: ArrayLike,
    labels: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    sources: Mapping[str, NDArray[np.uint8]] | None = None,
    folders: Sequence[Path] = (),
) -> list[str]:
    """Differences between a manifest and its recomputation from the clean data, one sentence each.

    Everything is compared except the library versions.

    Args:
        manifest: as loaded.
        images: [N, H, W, C] uint8, the clean images in the order of the manifest, or grey in a layout of
            :func:`noise.apply.corrupt`.
        labels: [N] clean labels.
        class_names: the K class names of the data set, where known.
        sources: images of the data sets that open-set noise names, as for :func:`noise.apply.corrupt`.
        folders: where to look for a file that is no longer at its path.

    Returns:
        One sentence per difference; empty when everything is equal.

    Raises:
        NoiseError: the manifest cannot be recomputed, for example because a file is missing.
    """
    header = manifest.header
    differences = [
        f"Column {name} is not the one that was written: its digest differs."
        for name in manifest.verify_columns()
    ]
    if class_names is not None and tuple(class_names) != header.class_names:
        differences.append("The class names are not those of the data set.")
    pixels = as_recorded(checked_images(images), header.image_shape)
    if (len(pixels), *pixels.shape[1:]) != (header.count, *header.image_shape):
        shape = [header.count, *header.image_shape]
        return [
            *differences,
            f"The source has images {list(pixels.shape)}, the manifest was made from {shape}.",
        ]
    try:
        again = corrupt(
            pixels,
            labels,
            [located(operation.spec, folders) for operation in header.operations],
            seed=header.seed,
            dataset=header.dataset,
            class_names=header.class_names,
            sample_id=manifest.sample_id,
            sources=sources,
            grey=header.grey and is_grey(pixels),
        ).manifest
    except NoiseError as error:
        message = " ".join([*differences, f"The manifest cannot be recomputed from this source: {error}"])
        raise type(error)(message) from error
    return differences + _differences(manifest, again)


def _stated(operation: Operation) -> Operation:
    """An operation without the paths and digests of its files, for a comparison of what was done."""
    return replace(operation, text=operation.short, files=())


def _differences(manifest: Manifest, again: Manifest) -> list[str]:
    """Differences between a manifest and its recomputation, one sentence each."""
    differences: list[str] = []
    header, other = manifest.header, again.header
    if header.source_digest != other.source_digest:
        differences.append(
            f"The source is another one: SHA-256 {other.source_digest[:12]}, but the manifest was made "
            f"from {header.source_digest[:12]}."
        )
    columns = again.columns()
    for name, column in manifest.columns().items():
        rows = np.flatnonzero(column != columns[name])
        if len(rows):
            first = int(manifest.sample_id[rows[0]])
            differences.append(
                f"Column {name} differs in {len(rows)} samples, the first with sample_id {first}."
            )
    if header.pixels_digest != other.pixels_digest:
        differences.append("The corrupted images differ from those the manifest was written with.")
    for before, after in zip(header.operations, other.operations, strict=True):
        files = dict(after.files)
        differences += [
            f"{name} is not what it was written with: SHA-256 {files.get(name, 'none')[:12]} instead of {digest[:12]}."
            for name, digest in before.files
            if files.get(name) != digest
        ]
    stated, carried_out = (list(map(_stated, header.operations)) for header in (manifest.header, other))
    if (stated, header.rates) != (carried_out, other.rates):
        differences.append("The operations or rates in the header are not those that were carried out.")
    return differences
