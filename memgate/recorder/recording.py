"""The Recorder's arguments as one checked record, and the run that is made from them. Imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from memgate import console
from memgate.config.checks import MOST_EPOCHS, MOST_IMAGES, in_range
from memgate.config.json_form import to_json
from memgate.errors import require
from memgate.log.format import LogLayout, Samples
from memgate.recorder.labels import GIVEN_LABELS, label_list, list_manifest, no_images
from memgate.runs.create import make_folder
from memgate.runs.outline import Outline
from memgate.runs.pictures import save_pictures
from memgate.runs.run import Run
from noise.checks import numbered_classes
from noise.errors import NoiseError
from noise.files.atomic import atomic_write
from noise.files.digests import pixels_digest, source_digest
from noise.manifest.manifest import Manifest

SPLITS = ("train", "val", "test")
"""Split names that report, export and dashboard know."""

OWN = "own"
"""Name of a data set or network that was given none."""


@dataclass(frozen=True)
class Recording:
    """Everything about a recorded run that is known before the first epoch: the Recorder's arguments, checked.

    Raises:
        MemgateError: an argument is out of its range, or two contradict each other.
    """

    path: Path
    """The run's folder."""
    counts: dict[str, int]
    """Split to its number of samples."""
    epochs: int
    """Epochs planned."""
    class_names: tuple[str, ...] | None = None
    """K names; None where K is known from the first batch only."""
    labels: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """Split to its given labels [N], where they were passed to the Recorder."""
    clean: NDArray[np.int64] | None = None
    """Clean labels [N] of the training split; None where the given labels are clean or the manifest has them."""
    manifest: Manifest | None = None
    """What was done to the training split; None where no manifest was passed."""
    images: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    """Split to its images, uint8 [N, H, W, 3]."""
    mode: Literal["online", "eval"] = "online"
    """Where the training split's values come from: the training pass, or an evaluation pass."""
    data: str = OWN
    """Name of the data set."""
    model: str = OWN
    """Name of the network."""
    seed: int | None = None
    """Seed of the training, where it was given."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Further settings, as JSON values."""

    def __post_init__(self) -> None:
        in_range("epochs", self.epochs, 1, MOST_EPOCHS)
        unknown = [split for split in self.counts if split not in SPLITS]
        require(
            not unknown and "train" in self.counts,
            f"n_samples names the splits {', '.join(self.counts) or 'none'}: give train, and optionally val and test.",
        )
        for split, count in self.counts.items():
            in_range(f"n_samples of {split}", count, 1, MOST_IMAGES, " samples")
        require(self.mode in ("online", "eval"), f"mode {self.mode!r} is neither 'online' nor 'eval'.")
        require(
            self.clean is None or self.manifest is None,
            "clean_labels and manifest both say what the clean labels are: give only one of them.",
        )
        if self.class_names is not None:
            self.check_classes(len(self.class_names))
        if self.manifest is not None:
            self._check_manifest(self.manifest)
        for split, images in self.images.items():
            self._check_images(split, images)

    @property
    def given(self) -> dict[str, NDArray[np.int64]]:
        """Split to its given labels [N]; -1 where a label is not known before the first epoch."""
        known = {} if self.manifest is None else {"train": self.manifest.given_label}
        known |= self.labels
        return {split: known.get(split, np.full(count, -1)) for split, count in self.counts.items()}

    @property
    def clean_labels(self) -> NDArray[np.int64] | None:
        """Clean labels [N] of the training split; None where they are the given ones."""
        return self.clean if self.manifest is None else self.manifest.clean_label

    @property
    def wrong_labels(self) -> str:
        """Remedy, appended to the error message where a batch's label differs from the one in the run."""
        return (
            f" Where an epoch in {self.path} was recorded with other positions, the labels that it keeps are wrong: "
            "delete that run, or choose another name."
        )

    def check_classes(self, classes: int) -> None:
        """Raise MemgateError where a known label is not below the number of classes."""
        known = {f"labels of {split}": labels for split, labels in self.given.items()}
        if self.clean_labels is not None:
            known["clean_labels"] = self.clean_labels
        for what, labels in known.items():
            require(
                int(labels.max()) < classes,
                f"{what} hold {labels.max()}, and there are {classes} classes: 0 to {classes - 1}.",
            )

    def check_no_empty_class(self) -> None:
        """Raise MemgateError where all labels are known and a class without a name has no sample."""
        if all((labels >= 0).all() for labels in self.given.values()):
            problem = self._empty_class(self.given)
            require(not problem, f"labels: {problem}")

    def _empty_class(self, given: Mapping[str, NDArray[np.int64]]) -> str:
        """A sentence about classes without a name and a sample; empty where there are none."""
        clean = [] if self.clean_labels is None else [self.clean_labels]
        try:
            if self.class_names is None:
                numbered_classes(*given.values(), *clean)
        except NoiseError as error:
            return str(error)
        return ""

    def _check_manifest(self, manifest: Manifest) -> None:
        """Raise MemgateError where the manifest is damaged or contradicts another argument."""
        damage = manifest.damage()
        require(not damage, f"manifest: its {damage}")
        header, count = manifest.header, self.counts["train"]
        require(
            header.count == count,
            f"manifest is of {header.count} samples and the training split has {count}: index counts its rows.",
        )
        require(
            self.class_names in (None, header.class_names),
            f"class_names are not those of the manifest, which has {', '.join(header.class_names)}: leave them out.",
        )
        labels, images = self.labels.get("train"), self.images.get("train")
        require(
            labels is None or np.array_equal(labels, manifest.given_label),
            "labels of train are not the given labels of the manifest: leave them out.",
        )
        require(
            images is None or pixels_digest(images) == header.pixels_digest,
            "images of the training split are not those that the manifest describes: give the images as the network "
            "receives them, before any augmentation, or leave them out.",
        )

    def _check_images(self, split: str, images: NDArray[Any]) -> None:
        """Raise MemgateError unless the images are uint8 [N, H, W, 3], one for each sample."""
        require(split in self.counts, f"images name the split {split}, which n_samples does not.")
        require(
            images.dtype == np.uint8 and images.ndim == 4 and images.shape[3] == 3 and images.size > 0,
            f"images of {split} are {images.dtype}{list(images.shape)} and must be uint8[N, H, W, 3], or grey.",
        )
        count = self.counts[split]
        require(len(images) == count, f"images of {split} are {len(images)} and its samples {count}.")

    def create_run(
        self,
        given: Mapping[str, NDArray[np.int64]],
        classes: int,
        gates: tuple[str, ...],
        environment: dict[str, Any],
        *,
        reduced: bool = False,
        finish: Callable[[Run], object] = lambda _: None,
    ) -> Run:
        """The new run, with an empty log; called when every label is known.

        Args:
            given: split to its given labels [N].
            classes: number of classes K.
            gates: names of the gates.
            environment: description of the machine, :func:`memgate.training.environment.describe`.
            reduced: whether the log keeps only what estimates of memorisation need, with ``phi``.
            finish: as for :func:`memgate.runs.create.make_folder`.

        Raises:
            MemgateError: a label is unknown, the folder cannot be made, or the disk has no room for the log.
        """
        _check_labels_known(given)
        problem = self._empty_class(given)
        if problem:  # known from the batches only, after an epoch of training: too late to refuse it
            console.warn(f"labels: {problem}")
        names = self.class_names or tuple(map(str, range(classes)))
        listed, manifest = self._manifest(given["train"], names)
        samples = {"train": Samples.of(manifest)}
        for split, labels in given.items():
            if split != "train":
                samples[split] = Samples.clean(np.arange(len(labels)), labels)
        outline = Outline(
            data=self.data,
            model=self.model,
            gates=gates,
            noise=tuple(operation.short for operation in manifest.header.operations),
            seed=self.seed,
            epochs=self.epochs,
            clean_labels_known=self.clean_labels is not None,
        )
        stored = {
            "recorded": to_json(outline),
            "settings": self.settings,
            "environment": environment,
            "digests": {
                split: source_digest(self.images.get(split, no_images(len(columns))), columns.clean_label)
                for split, columns in samples.items()
            },
        }

        def fill(folder: Path) -> None:
            if listed:
                atomic_write(folder / GIVEN_LABELS, lambda stream: stream.write(listed))
            save_pictures(folder, self.images)

        epochs = tuple(range(1, self.epochs + 1))
        layout = LogLayout(samples, gates, epochs, self.mode, names, phi=reduced, reduced=reduced)
        return make_folder(self.path, stored, {"train": manifest}, layout, fill, finish=finish)

    def _manifest(self, given: NDArray[np.int64], names: tuple[str, ...]) -> tuple[bytes, Manifest]:
        """The manifest of the training split, and the label list that it refers to (empty for none)."""
        if self.manifest is not None:
            return b"", self.manifest
        clean = given if self.clean is None else self.clean
        listed = b"" if np.array_equal(clean, given) else label_list(clean, given)
        return listed, list_manifest(listed, clean, names, self.data, self.images.get("train"))


def _check_labels_known(given: Mapping[str, NDArray[np.int64]]) -> None:
    """Raise MemgateError where a label of a split [N] is -1, which means unknown."""
    for split, labels in given.items():
        unknown = int((labels < 0).sum())
        require(
            unknown == 0,
            f"The labels of {unknown} of the {len(labels)} samples of {split} are unknown, since no batch had "
            "them before the first end_epoch() (drop_last=True, or a split that is evaluated later): give the "
            f'Recorder all of them beforehand, labels={{"{split}": [...]}}, {len(labels)} integers in '
            "the order of index.",
        )
