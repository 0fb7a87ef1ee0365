"""Does a manifest hold? Recomputed from the clean data, and compared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noise.apply import corrupt
from noise.errors import NoiseError
from noise.files.read import located
from noise.manifest.header import Operation
from noise.manifest.manifest import Manifest


def verify(
    manifest: Manifest,
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    *,
    class_names: Sequence[str] | None = None,
    sources: Mapping[str, NDArray[np.uint8]] | None = None,
    folders: Sequence[Path] = (),
) -> list[str]:
    """Recompute a manifest from the clean source and compare everything but the library versions.

    Args:
        manifest: as loaded.
        images: [N, H, W, C] uint8, the clean images in the manifest's order.
        labels: [N] the clean labels.
        class_names: the K names that the data set has, where they are known.
        sources: images of the data sets that open-set noise names, as for :func:`noise.apply.corrupt`.
        folders: where to look for a file that is no longer at its path.

    Returns:
        One sentence per difference; empty when all is equal.

    Raises:
        NoiseError: it cannot be recomputed, such as for want of a file.
    """
    header = manifest.header
    found = [
        f"Column {name} is not the one that was written: its digest differs."
        for name in manifest.verify_columns()
    ]
    if class_names is not None and tuple(class_names) != header.class_names:
        found.append("The class names are not those of the data set.")
    if (len(images), *images.shape[1:]) != (header.count, *header.image_shape):
        shape = [header.count, *header.image_shape]
        return [*found, f"The source has images {list(images.shape)}, the manifest was made from {shape}."]
    try:
        again = corrupt(
            images,
            labels,
            [located(operation.spec, folders) for operation in header.operations],
            seed=header.seed,
            dataset=header.dataset,
            class_names=header.class_names,
            sample_id=manifest.sample_id,
            sources=sources,
        ).manifest
    except NoiseError as error:
        said = " ".join([*found, f"The manifest cannot be recomputed from this source: {error}"])
        raise type(error)(said) from error
    return found + _differences(manifest, again)


def _stated(operation: Operation) -> Operation:
    """An operation without the folders of its files, which say nothing of what was done."""
    return replace(operation, text=operation.short, files=())


def _differences(manifest: Manifest, again: Manifest) -> list[str]:
    """Sentences for what differs between a manifest and its recomputation."""
    found: list[str] = []
    header, other = manifest.header, again.header
    if header.source_digest != other.source_digest:
        found.append(
            f"The source is another one: SHA-256 {other.source_digest[:12]}, and the manifest was made "
            f"from {header.source_digest[:12]}."
        )
    columns = again.columns()
    for name, column in manifest.columns().items():
        rows = np.flatnonzero(column != columns[name])
        if len(rows):
            first = int(manifest.sample_id[rows[0]])
            found.append(f"Column {name} differs in {len(rows)} samples, the first with sample_id {first}.")
    if header.pixels_digest != other.pixels_digest:
        found.append("The corrupted images differ from those the manifest was written with.")
    for before, after in zip(header.operations, other.operations, strict=True):
        now = dict(after.files)
        found += [
            f"{name} is not what it was written with: SHA-256 {now.get(name, 'none')[:12]}, and then {digest[:12]}."
            for name, digest in before.files
            if now.get(name) != digest
        ]
    stated, carried_out = (list(map(_stated, one.operations)) for one in (header, other))
    if (stated, header.rates) != (carried_out, other.rates):
        found.append("The header's operations or rates are not those that were carried out.")
    return found
