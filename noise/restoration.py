"""Corrupted arrays from a manifest and the clean data, for training on a manifest or looking at a run again.

The given labels are those in the manifest. The images are rendered again and compared with the digests in the
manifest, so the label files that the manifest was made with are not needed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noise.apply import RENDERED, Corrupted, library_versions
from noise.errors import require
from noise.files.digests import image_digests, pixels_digest, source_digest
from noise.files.read import located
from noise.images.open_set import images_at
from noise.manifest.header import Operation
from noise.manifest.manifest import Manifest
from noise.pixels import as_recorded, checked_images, in_layout
from noise.task import Task


def restore(
    manifest: Manifest,
    images: ArrayLike,
    labels: ArrayLike,
    sample_id: ArrayLike,
    *,
    sources: Mapping[str, NDArray[np.uint8]] | None = None,
    folders: Sequence[Path] = (),
) -> Corrupted:
    """Corrupted images uint8 and given labels [N] int64, made from the clean data and a manifest.

    The images are in the layout of ``images``; [N, H, W, 3] where a manifest from before the rule for grey data
    coloured grey images.

    Args:
        manifest: as loaded.
        images: [N, H, W, C] uint8, clean, or grey in a layout of :func:`noise.apply.corrupt`; not changed.
        labels: [N] int64, clean labels.
        sample_id: [N] int64, ids of the samples.
        sources: images of the data sets that open-set noise names, as for :func:`noise.apply.corrupt`.
        folders: where to look for a file that is no longer at its path.

    Returns:
        New arrays and the manifest itself.

    Raises:
        NoiseError: the manifest is damaged or belongs to other data, or the rendered images differ from those that
            it was written with.

    Example:
        >>> import noise, numpy as np
        >>> images, labels = np.zeros((10, 8, 8, 3), np.uint8), np.arange(10)
        >>> names = [f"class {label}" for label in range(10)]
        >>> written = noise.corrupt(images, labels, ["randx:0.3"], seed=0, dataset="mine", class_names=names)
        >>> again = noise.restore(written.manifest, images, labels, sample_id=np.arange(10))
        >>> bool((again.images == written.images).all())
        True
    """
    given = checked_images(images)
    pixels = as_recorded(given, manifest.header.image_shape)
    clean, ids = np.asarray(labels), np.asarray(sample_id)
    for name, column in (("labels", clean), ("sample_id", ids)):
        require(column.dtype.kind in "iu", f"{name} are {column.dtype} and must be integers.")
    digest = source_digest(pixels, clean)
    restored = RestoredImages(manifest, pixels, ids, digest, sources=sources, folders=folders).whole()
    made = in_layout(restored, given.shape) if manifest.header.grey else restored
    return Corrupted(made, manifest.given_label.copy(), manifest)


class RestoredImages:
    """The corrupted images of a manifest; each is rendered when it is first asked for, and only once."""

    def __init__(
        self,
        manifest: Manifest,
        images: NDArray[np.uint8],
        sample_id: NDArray[np.int64],
        digest: str,
        *,
        sources: Mapping[str, NDArray[np.uint8]] | None = None,
        folders: Sequence[Path] = (),
    ) -> None:
        """Compare the manifest with the clean data; no image is rendered.

        Args:
            manifest: as loaded.
            images: [N, H, W, C] uint8, clean; not changed.
            sample_id: [N] int64, ids of the samples.
            digest: :func:`noise.files.digests.source_digest` of the clean images and labels.
            sources: images of the data sets that open-set noise names, as for :func:`noise.apply.corrupt`.
            folders: where to look for a file that is no longer at its path.

        Raises:
            NoiseError: the manifest is damaged or belongs to other data.
        """
        _check(manifest, images.shape, sample_id, digest)
        self._manifest, self._clean = manifest, images
        self._sources, self._folders = sources or {}, folders
        self._given: NDArray[np.uint8] | None = None
        self._pending = manifest.image_op > 0

    def at(self, positions: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Corrupted images [n, H, W, C] uint8 of the samples at ``positions`` [n], in that order.

        Raises:
            NoiseError: an image cannot be rendered, or differs from the one that the manifest was written with.
        """
        given = self._rendered(positions)
        return given[positions]

    def whole(self) -> NDArray[np.uint8]:
        """All corrupted images [N, H, W, C] uint8; the same array at every call.

        Raises:
            NoiseError: an image cannot be rendered, or one differs from those that the manifest was written with.
        """
        given = self._rendered(np.arange(len(self._clean)))
        require(
            pixels_digest(given) == self._manifest.header.pixels_digest,
            "the restored images are not those that its header records: take an undamaged copy.",
        )
        return given

    def _rendered(self, positions: NDArray[np.integer]) -> NDArray[np.uint8]:
        """The array [N, H, W, C] of which the images at ``positions`` are rendered and compared with their digests."""
        if self._given is None:
            self._given = self._clean.copy()
        wanted = np.zeros(len(self._pending), np.bool_)
        wanted[positions] = True
        wanted &= self._pending
        manifest = self._manifest
        for operation in manifest.header.operations:
            places = np.flatnonzero(wanted & (manifest.image_op == operation.code))
            if not len(places):
                continue
            task = _task(manifest, operation, self._clean, self._sources, self._folders)
            images = _images(task, places, manifest.source[places].tolist())
            differs = image_digests(images) != manifest.pixels[places]
            require(not differs.any(), _difference(manifest, operation, int(differs.sum())))
            self._given[places] = images
            self._pending[places] = False
        return self._given


def _check(manifest: Manifest, shape: tuple[int, ...], sample_id: NDArray[np.int64], digest: str) -> None:
    """Raise NoiseError unless the manifest is undamaged and was written for exactly these samples."""
    damage = manifest.damage()
    require(not damage, f"its {damage}")
    header = manifest.header
    have, want = list(shape), [header.count, *header.image_shape]
    require(
        have == want and bool(np.array_equal(sample_id, manifest.sample_id)),
        f"it is of {header.count} samples of {header.dataset} with images {want[1:]} and the data has {have[0]} "
        f"with images {have[1:]}, or other ids: use the data set, limits and split that it was written for.",
    )
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
    """The task that the operation was carried out with; the free samples are those that it touched."""
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
        grey=header.grey,
    )


def _images(task: Task, positions: NDArray[np.int64], references: Sequence[str]) -> NDArray[np.uint8]:
    """Images [n, H, W, C] of an operation at ``positions``; ``references`` name open-set images."""
    if task.spec.kind in RENDERED:
        return task.render(lambda single: RENDERED[single.spec.kind](single, positions))
    return images_at(task, references)


def _difference(manifest: Manifest, operation: Operation, count: int) -> str:
    """The message for ``count`` images of an operation that differ from their digests, with the likely reason."""
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
    return f"{count} images of {operation.text} differ from those that it records: {reason}."
