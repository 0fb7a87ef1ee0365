"""What a run trains on: its data loaded, its training images and labels corrupted. No torch.

The one place that turns a configuration into pictures, for the training, the evaluation and the dashboard
alike, so that all of them see the same sample under the same id.
"""

from dataclasses import dataclass
from functools import cached_property

from memgate.config import DataConfig, RunConfig
from memgate.data import Channels, ImageSet, Splits, load_splits, normalisation
from memgate.errors import MemgateError
from memgate.logformat import Samples
from memgate.runs import Run
from noise.apply import corrupt
from noise.errors import NoiseError
from noise.manifest import Manifest
from noise.spec import parse_specs


@dataclass(frozen=True)
class Inputs:
    """The pictures of a run."""

    config: DataConfig
    clean: Splits
    """As they are on disk."""
    train: ImageSet
    """The training split as it is trained on: corrupted images, given labels."""
    manifest: Manifest
    """What was done to each training sample."""

    def image_set(self, split: str) -> ImageSet:
        """A split as the network sees it.

        Raises:
            MemgateError: the run has no such split.
        """
        if split not in self.splits:
            raise MemgateError(f"This run has no split {split!r}: it has {', '.join(self.splits)}.")
        return self.train if split == "train" else self.clean.present[split]

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits there are."""
        return tuple(self.clean.present)

    @property
    def digests(self) -> dict[str, str]:
        """Split to the digest of its images and labels as they are on disk."""
        return {split: images.digest for split, images in self.clean.present.items()}

    @cached_property
    def normalisation(self) -> tuple[Channels, Channels]:
        """Channel means and standard deviations for every split, from the clean training images."""
        return normalisation(self.config, self.clean.train)

    def samples(self, split: str) -> Samples:
        """Ids, labels and operations of a split, for the log."""
        images = self.image_set(split)
        if split != "train":
            return Samples.clean(images.sample_id, images.labels)
        manifest = self.manifest
        return Samples(
            manifest.sample_id,
            manifest.given_label,
            manifest.clean_label,
            manifest.label_op,
            manifest.image_op,
        )


def load_inputs(config: RunConfig) -> Inputs:
    """Load the data of a configuration and corrupt its training split.

    Raises:
        MemgateError: the data is missing or wrong, or a corruption cannot be carried out on it.
    """
    clean = load_splits(config.data)
    try:
        result = corrupt(
            clean.train.images,
            clean.train.labels,
            parse_specs(config.noise),
            seed=config.noise_seed,
            dataset=config.data.name,
            class_names=clean.train.class_names,
            sample_id=clean.train.sample_id,
        )
    except NoiseError as error:
        raise MemgateError(f"--noise: {error}") from error
    train = clean.train.with_content(result.images, result.labels)
    return Inputs(config.data, clean, train, result.manifest)


def inputs_of(run: Run) -> Inputs:
    """The pictures of a run, as it was trained on them.

    Raises:
        MemgateError: the data is missing, or it or what is made of it is no longer what the run recorded.
    """
    inputs = load_inputs(run.config)
    if inputs.digests != run.digests or _content(inputs.manifest) != _content(run.manifest):
        raise MemgateError(
            f"The data under {run.config.data.root} (or the corruption made of it) is no longer what {run.name} "
            "recorded: put the original data back, or train a new run."
        )
    return inputs


def _content(manifest: Manifest) -> tuple[object, ...]:
    """What a manifest says of the data, apart from the versions of the libraries that made it."""
    header = manifest.header
    return header.source_digest, header.column_digests, header.pixels_digest
