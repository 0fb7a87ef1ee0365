"""The images of a run: its data as loaded, and its splits after corruption. Imports no torch.

The only module that makes images from a configuration or a run. Training, evaluation, probes and dashboard all
use it, so a sample id means the same image everywhere.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from memgate import console
from memgate.config.run import DataConfig, RunConfig
from memgate.data.image_set import Channels, ImageSet, Splits, load_splits, normalisation
from memgate.data.subset_masks import trained_on
from memgate.errors import MemgateError
from memgate.log.format import Samples
from memgate.runs.corruption import (
    CorruptedSplit,
    RestorableSplit,
    corrupted_split,
    foreign_notes,
    not_restored,
    restorable_split,
    restored_split,
    source_folders,
    sources_for,
)
from memgate.runs.run import Run
from noise.errors import NoiseError
from noise.files.digests import image_digests
from noise.files.read import located
from noise.kinds import KINDS
from noise.manifest.manifest import Manifest
from noise.spec import CorruptionSpec, parse_specs


@dataclass(frozen=True, eq=False)
class Inputs:
    """The images of a run.

    Only ``train``, ``image_set`` and ``subset`` render images where the corrupted splits are restored from a run's
    manifests (:func:`inputs_of`); everything else needs the clean data and the manifests alone.
    """

    config: DataConfig
    clean: Splits
    """The splits as they are on disk."""
    corrupted: Mapping[str, CorruptedSplit | RestorableSplit]
    """``train`` as it is trained on, and the copies ``val_corrupted`` and ``test_corrupted`` that the run has."""
    trained: NDArray[np.bool_] | None = None
    """Whether the run is trained on each sample of the training split [N]; None for a run that is trained on all."""

    @property
    def train(self) -> ImageSet:
        """The training split as it is trained on: corrupted images, given labels."""
        return self.corrupted["train"].images

    @property
    def manifest(self) -> Manifest:
        """What was done to each training sample."""
        return self.corrupted["train"].manifest

    @property
    def manifests(self) -> dict[str, Manifest]:
        """Corrupted split to what was done to each of its samples."""
        return {split: corrupted.manifest for split, corrupted in self.corrupted.items()}

    def image_set(self, split: str) -> ImageSet:
        """All samples of a split as the network is given them.

        Raises:
            MemgateError: the run has no such split, or its images cannot be restored.
        """
        self._check(split)
        return self.corrupted[split].images if split in self.corrupted else self.clean.present[split]

    def subset(self, split: str, rows: NDArray[np.integer]) -> ImageSet:
        """The samples at ``rows`` [n] of a split, in that order, as the network is given them.

        Restores only these samples, each of them once.

        Raises:
            MemgateError: the run has no such split, or these images cannot be restored.
        """
        self._check(split)
        source = self.corrupted[split] if split in self.corrupted else self.clean.present[split]
        return source.subset(rows)

    def clean_images(self, split: str) -> ImageSet:
        """The samples of a split as they are on disk.

        Raises:
            MemgateError: the run has no such split.
        """
        self._check(split)
        original = self.corrupted[split].original if split in self.corrupted else split
        return self.clean.present[original]

    def image_digests(self, split: str) -> NDArray[np.uint64]:
        """First eight bytes of the SHA-256 of each image [N] of :meth:`image_set`, without rendering any.

        Raises:
            MemgateError: the run has no such split.
        """
        digests = image_digests(self.clean_images(split).images)
        if split in self.corrupted:
            manifest = self.corrupted[split].manifest
            digests = np.where(manifest.image_corrupted, manifest.pixels, digests)
        return digests

    def _check(self, split: str) -> None:
        """Raise MemgateError unless the run has the split."""
        if split not in self.splits:
            raise MemgateError(f"This run has no split {split!r}: it has {', '.join(self.splits)}.")

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits; corrupted copies are last."""
        return tuple(dict.fromkeys([*self.clean.present, *self.corrupted]))

    @property
    def digests(self) -> dict[str, str]:
        """Split to the SHA-256 of its images and labels as they are on disk."""
        return self.clean.digests

    @cached_property
    def normalisation(self) -> tuple[Channels, Channels]:
        """Channel means and standard deviations for every split, from the clean training images."""
        return normalisation(self.config, self.clean.train)

    def samples(self, split: str) -> Samples:
        """Ids, labels and operations of a split [N], for the log.

        Raises:
            MemgateError: the run has no such split.
        """
        if split in self.corrupted:
            return Samples.of(self.corrupted[split].manifest)
        images = self.image_set(split)
        return Samples.clean(images.sample_id, images.labels)


def load_inputs(config: RunConfig) -> Inputs:
    """The images that a configuration trains on: its data loaded, its training split and its copies corrupted.

    What is notable about the data is printed.

    Raises:
        MemgateError: the data is missing or wrong, or a corruption cannot be carried out on it.
    """
    clean = load_splits(config.data)
    console.warn(*clean.notes)
    try:
        if config.manifest is None:
            specs, seed, name = parse_specs(config.noise), config.noise_seed, config.data.name
            grey = clean.train.grey
            sources = sources_for(specs, config.data)
            train = corrupted_split(clean.train, specs, seed, name, sources)
        else:
            manifest = Manifest.load(config.manifest)
            folders = source_folders(config.data, config.manifest.parent)
            specs = tuple(located(operation.spec, folders) for operation in manifest.header.operations)
            seed, name, grey = manifest.header.seed, manifest.header.dataset, manifest.header.grey
            sources = sources_for(specs, config.data)
            train = restored_split(clean.train, manifest, sources, folders)
        _check_copies(config, specs)
        copies = {
            copy: corrupted_split(clean.present[split], specs, seed, f"{name}/{split}", sources, grey)
            for copy, split in config.copies.items()
        }
    except NoiseError as error:
        flag = "--noise" if config.manifest is None else f"--manifest {config.manifest}"
        raise MemgateError(f"{flag}: {error}") from error
    splits = {"train": train, **copies}
    console.warn(*(note for split in splits.values() for note in foreign_notes(split)))
    _check_apart(splits)
    return Inputs(config.data, clean, splits, trained_on(config.subset, clean.train.sample_id))


def _check_copies(config: RunConfig, specs: Iterable[CorruptionSpec]) -> None:
    """Raise MemgateError when a corruption that lists training samples is to be applied to the test split."""
    for spec in specs:
        if "test" in config.noise_on and KINDS[spec.kind].lists_samples:
            raise MemgateError(f"--noise-on test: {spec.kind} lists training samples only: leave test out.")


def _check_apart(splits: Mapping[str, CorruptedSplit]) -> None:
    """Raise MemgateError when a copy holds an open-set image of the training split: it would test a training image."""
    manifests = {split: corrupted.manifest for split, corrupted in splits.items()}
    sources = {split: set(manifest.source[manifest.open_set]) for split, manifest in manifests.items()}
    for split, used in sources.items():
        shared = sources["train"] & used if split != "train" else set()
        if shared:
            raise MemgateError(
                f"--noise-on: {len(shared)} open-set images would be both in the training and in {split}: leave that "
                "copy out, lower the rate, or take a source with enough images for both."
            )


def inputs_of(run: Run) -> Inputs:
    """The images of a run as it was trained on them; corrupted images are rendered when they are first asked for.

    The clean data is compared with the digests of the run and of its manifests at once.

    Raises:
        MemgateError: the data or a manifest is missing, or differs from what the run recorded.
    """
    config = run.config
    clean = load_splits(config.data)
    if clean.digests != run.digests:
        # Pictures that are read otherwise since are other data: nothing may be computed on them for this run.
        formerly = " (memgate 0.1.0 read PNG and JPEG in class folders only, and neither orientation nor transparency)"
        raise MemgateError(
            f"The data under {config.data.root} is no longer what {run.name} recorded"
            f"{formerly if config.data.name == 'folder' else ''}: put the original data back, or train a new run."
        )
    originals = {"train": "train", **config.copies}
    folders = source_folders(config.data, run.path, *([config.manifest.parent] if config.manifest else []))
    try:
        # A copy is made by the same operations as the training split.
        sources = sources_for((operation.spec for operation in run.manifest.header.operations), config.data)
        corrupted = {
            split: restorable_split(run, clean.present[originals[split]], manifest, sources, folders)
            for split, manifest in run.manifests.items()
        }
    except NoiseError as error:
        raise not_restored(run, error) from error
    return Inputs(config.data, clean, corrupted, trained_on(config.subset, clean.train.sample_id))
