"""What a run trains on: its data loaded, its training images and labels corrupted. No torch.

The one place that turns a configuration into pictures, for the training, the evaluation and the dashboard
alike, so that all of them see the same sample under the same id.
"""

from dataclasses import dataclass

from memgate.config import RunConfig
from memgate.data import ImageSet, Splits, load_splits
from memgate.errors import MemgateError
from memgate.logformat import Samples
from noise.apply import corrupt
from noise.errors import NoiseError
from noise.manifest import Manifest
from noise.spec import parse_specs


@dataclass(frozen=True)
class Inputs:
    """The pictures of a run."""

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
        found = {"train": self.train, "val": self.clean.val, "test": self.clean.test}.get(split)
        if found is None:
            raise MemgateError(f"This run has no split {split!r}: it has {', '.join(self.splits)}.")
        return found

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits there are."""
        return ("train", "test") if self.clean.val is None else ("train", "val", "test")

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


def load_inputs(config: RunConfig, expected: Manifest | None = None) -> Inputs:
    """Load the data of a run and corrupt its training split.

    Args:
        config: the run's configuration.
        expected: the manifest that the run stored; the data and the corruption must still be the same.

    Raises:
        MemgateError: the data is missing or wrong, or no longer what ``expected`` says.
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
    if expected is not None and _content(result.manifest) != _content(expected):
        raise MemgateError(
            f"The data under {config.data.root} (or the corruption made of it) is no longer what the run's "
            "manifest.npz records: put the original data back, or train a new run."
        )
    return Inputs(clean, clean.train.with_content(result.images, result.labels), result.manifest)


def _content(manifest: Manifest) -> tuple[object, ...]:
    """What a manifest says of the data, apart from the versions of the libraries that made it."""
    header = manifest.header
    return header.source_digest, header.column_digests, header.pixels_digest
