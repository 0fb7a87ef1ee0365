"""What a run trains on: its data loaded, its training images and labels corrupted. No torch.

The one place that turns a configuration into pictures, for the training, the evaluation and the dashboard
alike, so that all of them see the same sample under the same id.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from memgate.config.run import DataConfig, DataName, RunConfig
from memgate.data.image_set import Channels, ImageSet, Splits, load_splits, normalisation
from memgate.data.sources import read_source
from memgate.errors import MemgateError
from memgate.log.format import Samples
from memgate.runs.run import Run
from noise.apply import corrupt
from noise.errors import MissingFileError, NoiseError
from noise.files.read import located
from noise.kinds import KINDS
from noise.manifest.manifest import Manifest
from noise.restore import restore
from noise.spec import CorruptionSpec, parse_specs

Sources = Mapping[str, NDArray[np.uint8]]
"""Name to images [M,h,w,3] of the data sets that open-set noise may take from."""


@dataclass(frozen=True)
class CorruptedSplit:
    """A split after its corruption."""

    images: ImageSet
    """Corrupted images, given labels."""
    manifest: Manifest
    """What was done to each sample."""


@dataclass(frozen=True)
class Inputs:
    """The pictures of a run."""

    config: DataConfig
    clean: Splits
    """As they are on disk."""
    corrupted: Mapping[str, CorruptedSplit]
    """``train`` as it is trained on, and the copies ``val_corrupted`` and ``test_corrupted``, where asked for."""

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
        return {split: found.manifest for split, found in self.corrupted.items()}

    def image_set(self, split: str) -> ImageSet:
        """A split as the network sees it.

        Raises:
            MemgateError: the run has no such split.
        """
        if split not in self.splits:
            raise MemgateError(f"This run has no split {split!r}: it has {', '.join(self.splits)}.")
        return self.corrupted[split].images if split in self.corrupted else self.clean.present[split]

    def clean_images(self, split: str) -> ImageSet:
        """The same samples as they are on disk.

        Raises:
            MemgateError: the run has no such split.
        """
        return self.clean.present[self.image_set(split).split]

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits there are; corrupted copies stand last."""
        return tuple(dict.fromkeys([*self.clean.present, *self.corrupted]))

    @property
    def digests(self) -> dict[str, str]:
        """Split to the digest of its images and labels as they are on disk."""
        return self.clean.digests

    @cached_property
    def normalisation(self) -> tuple[Channels, Channels]:
        """Channel means and standard deviations for every split, from the clean training images."""
        return normalisation(self.config, self.clean.train)

    def samples(self, split: str) -> Samples:
        """Ids, labels and operations of a split, for the log."""
        if split in self.corrupted:
            return Samples.of(self.corrupted[split].manifest)
        images = self.image_set(split)
        return Samples.clean(images.sample_id, images.labels)


def load_inputs(config: RunConfig) -> Inputs:
    """Load the data of a configuration, and corrupt its training split and the copies that it asks for.

    Raises:
        MemgateError: the data is missing or wrong, or a corruption cannot be carried out on it.
    """
    clean = load_splits(config.data)
    try:
        if config.manifest is None:
            specs, seed, name = parse_specs(config.noise), config.noise_seed, config.data.name
            sources = sources_for(specs, config.data)
            train = corrupted(clean.train, specs, seed, name, sources)
        else:
            manifest = Manifest.load(config.manifest)
            folders = source_folders(config.data, config.manifest.parent)
            specs = tuple(located(operation.spec, folders) for operation in manifest.header.operations)
            seed, name = manifest.header.seed, manifest.header.dataset
            sources = sources_for(specs, config.data)
            train = _restored(clean.train, manifest, sources, folders)
        _check_copies(config, specs)
        copies = {
            copy: corrupted(clean.present[split], specs, seed, f"{name}/{split}", sources)
            for copy, split in config.copies.items()
        }
    except NoiseError as error:
        flag = "--noise" if config.manifest is None else f"--manifest {config.manifest}"
        raise MemgateError(f"{flag}: {error}") from error
    splits = {"train": train, **copies}
    _check_apart(splits)
    return Inputs(config.data, clean, splits)


def _check_copies(config: RunConfig, specs: Iterable[CorruptionSpec]) -> None:
    """MemgateError when a copy of the test split is asked for of a list of training samples."""
    for spec in specs:
        if "test" in config.noise_on and KINDS[spec.kind].lists_samples:
            raise MemgateError(f"--noise-on test: {spec.kind} lists training samples only: leave test out.")


def _check_apart(splits: Mapping[str, CorruptedSplit]) -> None:
    """MemgateError when an open-set image of the training is in a copy: that would test what was trained on."""
    sources = {split: set(found.manifest.source[found.manifest.open_set]) for split, found in splits.items()}
    for split, used in sources.items():
        shared = sources["train"] & used if split != "train" else set()
        if shared:
            raise MemgateError(
                f"--noise-on: {len(shared)} open-set images would be both in the training and in {split}: leave that "
                "copy out, lower the rate, or take a source with images enough for both."
            )


def corrupted(
    images: ImageSet, specs: tuple[CorruptionSpec, ...], seed: int, name: str, sources: Sources
) -> CorruptedSplit:
    """A clean split corrupted; its samples are hashed under ``name``, ``sources`` are :func:`sources_for` it.

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
    )
    return CorruptedSplit(images.with_content(result.images, result.labels), result.manifest)


def sources_for(specs: Iterable[CorruptionSpec], data: DataConfig) -> Sources:
    """The training images [M,h,w,3] of the data sets that open-set noise names, read from the data's folder.

    Raises:
        MemgateError: one of them is missing and cannot be fetched.
    """
    named = {dict(spec.parameters).get("source", "") for spec in specs}
    root = _folder(data)
    return {
        name: read_source(DataConfig(name=name, root=root)).train.images
        for name in get_args(DataName)
        if name in named
    }


def source_folders(data: DataConfig, *first: Path) -> list[Path]:
    """Where a file that a corruption reads is looked for when it is not at its path: ``first``, then the data's."""
    return [*first, _folder(data)]


def _folder(data: DataConfig) -> Path:
    """The folder of the data."""
    root = data.root.expanduser()
    return root.parent if root.is_file() else root


def _restored(
    images: ImageSet, manifest: Manifest, sources: Sources, folders: Sequence[Path]
) -> CorruptedSplit:
    """A clean split as a manifest describes it; files that are not at their path are looked for in ``folders``."""
    result = restore(
        manifest,
        images.images,
        images.labels,
        images.sample_id,
        sources=sources,
        folders=folders,
    )
    return CorruptedSplit(images.with_content(result.images, result.labels), manifest)


def clean_splits(run: Run) -> Splits:
    """The splits of a run's data, without corruption.

    Raises:
        MemgateError: the data is missing, or no longer what the run recorded.
    """
    clean = load_splits(run.config.data)
    if clean.digests != run.digests:
        raise MemgateError(
            f"The data under {run.config.data.root} is no longer what {run.name} recorded: put the original data "
            "back, or train a new run."
        )
    return clean


def inputs_of(run: Run) -> Inputs:
    """The pictures of a run, as it was trained on them: made from the manifests that it keeps.

    Raises:
        MemgateError: the data is missing, or it or what is made of it is no longer what the run recorded.
    """
    config, clean = run.config, clean_splits(run)
    originals = {"train": "train", **config.copies}
    folders = source_folders(config.data, run.path, *([config.manifest.parent] if config.manifest else []))
    try:
        # A copy is made by the same operations as the training split.
        specs = [operation.spec for operation in run.manifest.header.operations]
        sources = sources_for(specs, config.data)
        corrupted = {
            split: _restored(clean.present[originals[split]], manifest, sources, folders)
            for split, manifest in run.manifests.items()
        }
    except NoiseError as error:
        hint = f" It may also be put into {run.path}." if isinstance(error, MissingFileError) else ""
        raise MemgateError(f"The pictures of {run.name} cannot be made again: {error}{hint}") from error
    return Inputs(config.data, clean, corrupted)
