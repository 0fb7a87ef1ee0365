"""Splits after corruption: images in memory, or rendered from a manifest when first asked for. Imports no torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from memgate.config.data import DataConfig, DataName
from memgate.data.image_set import ImageSet, SplitName
from memgate.data.plain_images import plain_notes
from memgate.data.sources import read_source
from memgate.errors import MemgateError
from memgate.runs.run import Run
from noise.apply import corrupt
from noise.errors import MissingFileError, NoiseError
from noise.manifest.manifest import Manifest
from noise.restoration import RestoredImages, restore
from noise.spec import CorruptionSpec

Sources = Mapping[str, NDArray[np.uint8]]
"""Name of a data set to its images [M,h,w,3], for open-set noise."""


@dataclass(frozen=True, eq=False)
class CorruptedSplit:
    """A corrupted split whose images are in memory."""

    images: ImageSet
    """Corrupted images, given labels."""
    manifest: Manifest
    """What was done to each sample."""

    @property
    def original(self) -> SplitName:
        """The split that was corrupted."""
        return self.images.split

    def subset(self, rows: NDArray[np.integer]) -> ImageSet:
        """The samples at ``rows`` [n], in that order: corrupted images, given labels."""
        return self.images.subset(rows)


@dataclass(frozen=True, eq=False)
class RestorableSplit:
    """A corrupted split whose images are rendered from its manifest when they are first asked for."""

    clean: ImageSet
    manifest: Manifest
    """What was done to each sample."""
    restored: RestoredImages
    run: Run
    """Named in errors."""

    @property
    def original(self) -> SplitName:
        """The split that was corrupted."""
        return self.clean.split

    @cached_property
    def images(self) -> ImageSet:
        """Corrupted images, given labels, of all samples.

        Raises:
            MemgateError: a file is missing, or an image differs from the one that the run recorded.
        """
        try:
            images = self.restored.whole()
        except NoiseError as error:
            raise not_restored(self.run, error) from error
        return self.clean.with_content(images, self.manifest.given_label)

    def subset(self, rows: NDArray[np.integer]) -> ImageSet:
        """The samples at ``rows`` [n], in that order: corrupted images, given labels; renders no other sample.

        Raises:
            MemgateError: a file is missing, or an image differs from the one that the run recorded.
        """
        try:
            images = self.restored.at(rows)
        except NoiseError as error:
            raise not_restored(self.run, error) from error
        return self.clean.subset(rows).with_content(images, self.manifest.given_label[rows])


def corrupted_split(
    images: ImageSet,
    specs: tuple[CorruptionSpec, ...],
    seed: int,
    name: str,
    sources: Sources,
    grey: bool | None = None,
) -> CorruptedSplit:
    """A split after corruption.

    Args:
        images: the clean split.
        specs: corruptions, in the order in which they are applied.
        seed: seed of the corruption.
        name: data set name under which the samples are hashed.
        sources: images of the data sets that open-set noise names, see :func:`sources_for`.
        grey: whether images stay grey. None: as the data set is; a manifest's rule for a copy by its operations.

    Raises:
        NoiseError: a corruption cannot be carried out on it.
    """
    result = corrupt(
        images.images,
        images.labels,
        specs,
        seed=seed,
        dataset=name,
        class_names=images.class_names,
        sample_id=images.sample_id,
        sources=sources,
        grey=images.grey if grey is None else grey,
    )
    return CorruptedSplit(images.with_content(result.images, result.labels), result.manifest)


def foreign_notes(split: CorruptedSplit) -> tuple[str, ...]:
    """A sentence about open-set images of a split that show nothing; none where they all show something."""
    rows = np.flatnonzero(split.manifest.open_set)
    if len(rows) == 0:
        return ()
    foreign = split.subset(rows)
    return plain_notes(foreign.images, f"open-set images of {split.original}", foreign.sample_id)


def sources_for(specs: Iterable[CorruptionSpec], data: DataConfig) -> Sources:
    """Training images [M,h,w,3] of each data set that open-set noise names, read from the folder of the data.

    Raises:
        MemgateError: a data set is missing and cannot be downloaded.
    """
    named = {dict(spec.parameters).get("source", "") for spec in specs}
    root = _folder(data)
    return {
        name: read_source(DataConfig(name=name, root=root)).train.images
        for name in get_args(DataName)
        if name in named
    }


def source_folders(data: DataConfig, *first: Path) -> list[Path]:
    """Folders to look in for a file that is not at its path: ``first``, then the folder of the data."""
    return [*first, _folder(data)]


def _folder(data: DataConfig) -> Path:
    """The folder that holds the data."""
    root = data.place
    return root.parent if root.is_file() else root


def not_restored(run: Run, error: NoiseError) -> MemgateError:
    """The error of a run whose corrupted images cannot be restored."""
    hint = f" It may also be put into {run.path}." if isinstance(error, MissingFileError) else ""
    return MemgateError(f"The images of {run.name} cannot be restored: {error}{hint}")


def restored_split(
    images: ImageSet, manifest: Manifest, sources: Sources, folders: Sequence[Path]
) -> CorruptedSplit:
    """A split as a manifest describes it; files that are not at their path are looked for in ``folders``."""
    result = restore(
        manifest, images.images, images.labels, images.sample_id, sources=sources, folders=folders
    )
    return CorruptedSplit(images.with_content(result.images, result.labels), manifest)


def restorable_split(
    run: Run, clean: ImageSet, manifest: Manifest, sources: Sources, folders: Sequence[Path]
) -> RestorableSplit:
    """A split of a run, compared with its manifest, before any image is rendered."""
    images = RestoredImages(
        manifest, clean.images, clean.sample_id, clean.digest, sources=sources, folders=folders
    )
    return RestorableSplit(clean, manifest, images, run)
