"""A manifest and the clean data to the corrupted arrays: what training on somebody's manifest does.

The labels are those that the manifest lists; the images are made again, and must be the ones it was written
with. So a manifest is enough even where the file its labels came from is not at hand.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noise.apply import RENDERED, Corrupted, library_versions
from noise.errors import require
from noise.files.digests import image_digests, pixels_digest, source_digest
from noise.files.read import located
from noise.images.open_set import images_at
from noise.manifest.header import Operation
from noise.manifest.manifest import Manifest
from noise.task import Task


def restore(
    manifest: Manifest,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    sample_id: NDArray[np.int64],
    *,
    sources: Mapping[str, NDArray[np.uint8]] | None = None,
    folders: Sequence[Path] = (),
) -> Corrupted:
    """The arrays that a manifest describes, made from the clean ones.

    Args:
        manifest: as loaded.
        images: [N, H, W, C] uint8, clean.
        labels: [N] clean labels.
        sample_id: [N] ids of the samples.
        sources: images of the data sets that open-set noise names, as for :func:`noise.apply.corrupt`.
        folders: where to look for a file that is no longer at its path.

    Returns:
        New arrays beside the manifest itself.

    Raises:
        NoiseError: the manifest is damaged or of other data, or the images cannot be made again as they were.
    """
    _check(manifest, images, labels, sample_id)
    given = images.copy()
    for operation in manifest.header.operations:
        positions = np.flatnonzero(manifest.image_op == operation.code)
        if not len(positions):
            continue
        task = _task(manifest, operation, images, sources or {}, folders)
        if operation.kind in RENDERED:
            given[positions] = RENDERED[operation.kind](task, positions)
        else:
            given[positions] = images_at(task, manifest.source[positions].tolist())
        other = image_digests(given[positions]) != manifest.pixels[positions]
        require(not other.any(), _unlike(manifest, operation, int(other.sum())))
    require(
        pixels_digest(given) == manifest.header.pixels_digest,
        "the images that come out are not those that its header records: take an undamaged copy.",
    )
    return Corrupted(given, manifest.given_label.copy(), manifest)


def _check(
    manifest: Manifest,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    sample_id: NDArray[np.int64],
) -> None:
    """NoiseError unless the manifest is whole and of exactly these samples."""
    damage = manifest.damage()
    require(not damage, f"its {damage}")
    header = manifest.header
    have, want = [len(images), *images.shape[1:]], [header.count, *header.image_shape]
    require(
        have == want and bool(np.array_equal(sample_id, manifest.sample_id)),
        f"it is of {header.count} samples of {header.dataset} with images {want[1:]} and the data has {len(images)} "
        f"with images {have[1:]}, or other ids: use the data set, limits and split that it was written for.",
    )
    digest = source_digest(images, labels)
    require(
        digest == header.source_digest,
        f"it was made from other images or labels (SHA-256 {header.source_digest[:12]}, and the data has "
        f"{digest[:12]}): use the data set {header.dataset} that it was written for.",
    )


def _task(
    manifest: Manifest,
    operation: Operation,
    images: NDArray[np.uint8],
    sources: Mapping[str, NDArray[np.uint8]],
    folders: Sequence[Path],
) -> Task:
    """The task as it was when the operation was carried out; which samples were free is known by now."""
    header = manifest.header
    return Task(
        spec=located(operation.spec, folders),
        images=images,
        labels=manifest.clean_label,
        class_names=header.class_names,
        sample_id=manifest.sample_id,
        free=manifest.image_op == operation.code,
        dataset=header.dataset,
        seed=header.seed,
        sources=sources,
    )


def _unlike(manifest: Manifest, operation: Operation, count: int) -> str:
    """The sentence for images that came out otherwise."""
    here, then = library_versions(), manifest.header.versions
    other = [f"{name} {then.get(name)}" for name, version in here.items() if then.get(name) != version]
    if operation.kind not in RENDERED:
        reason = f"{', '.join(name for name, _ in operation.files)} is not what it was written with"
    elif other:
        reason = f"it was written with {', '.join(other)}"
    elif operation.kind == "jpeg":
        reason = "it was written with another JPEG library"
    else:
        reason = "its text, the header's seed or its data set's name is not the one it was written with"
    return f"{count} images of {operation.text} come out otherwise than it records: {reason}."
