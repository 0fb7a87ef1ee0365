"""The run that a Recorder makes for another program's training: what is checked, and what is written. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memgate.config.json_form import to_json
from memgate.config.names import is_name
from memgate.errors import require
from memgate.log.format import LogLayout, Samples
from memgate.recorder.arguments import class_list, folder, json_values, text, whole
from memgate.recorder.labels import (
    GIVEN_LABELS,
    by_split,
    checked_images,
    checked_labels,
    label_list,
    list_manifest,
    load_manifest,
    no_images,
)
from memgate.runs.create import make_folder
from memgate.runs.outline import Outline
from memgate.runs.pictures import save_pictures
from memgate.runs.run import Run
from noise.files.atomic import atomic_write
from noise.files.digests import pixels_digest, source_digest
from noise.manifest.manifest import Manifest

SPLITS = ("train", "val", "test")
"""Names that a split may have: report, export and dashboard know what they mean."""

OWN = "own"
"""Name of a data set or network that got none."""


@dataclass(frozen=True)
class Recording:
    """What a recorded run is, as far as it is known before the first epoch; the fields are Recorder's arguments."""

    path: Path
    counts: dict[str, int]
    """Split to its number of samples."""
    epochs: int
    class_names: tuple[str, ...] | None = None
    labels: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """Split to given labels [N], as far as they are known."""
    clean: NDArray[np.int64] | None = None
    """Clean labels [N] of the training split; None where they are the given ones."""
    manifest: Manifest | None = None
    images: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    mode: Literal["online", "eval"] = "online"
    data: str = OWN
    model: str = OWN
    seed: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(1 <= self.epochs <= 100_000, f"epochs {self.epochs} is out of range: from 1 to 100000.")
        unknown = [split for split in self.counts if split not in SPLITS]
        require(
            not unknown and "train" in self.counts,
            f"n_samples names the splits {', '.join(self.counts) or 'none'}: train, and if you like val and test.",
        )
        for split, count in self.counts.items():
            require(count >= 1, f"n_samples {count} of {split}: a split has at least 1 sample.")
        require(self.mode in ("online", "eval"), f"mode {self.mode!r} is neither 'online' nor 'eval'.")
        require(
            self.clean is None or self.manifest is None,
            "clean_labels and manifest both say what the clean labels are: give one of them.",
        )
        if self.class_names is not None:
            self.check_classes(len(self.class_names))
        if self.manifest is not None:
            self._check_manifest(self.manifest)
        for split, images in self.images.items():
            self._check_images(split, images)

    @property
    def given(self) -> dict[str, NDArray[np.int64]]:
        """Split to given labels [N], -1 where only the first epoch will tell."""
        known = {} if self.manifest is None else {"train": self.manifest.given_label}
        known |= self.labels
        return {split: known.get(split, np.full(count, -1)) for split, count in self.counts.items()}

    @property
    def wrong_labels(self) -> str:
        """What to do where the run's labels turn out to be others than a batch's."""
        return (
            f" Where an epoch in {self.path} was recorded with other positions, the labels that it keeps are wrong: "
            "delete that run, or choose another name."
        )

    @property
    def clean_labels(self) -> NDArray[np.int64] | None:
        """Clean labels [N] of the training split; None where they are the given ones."""
        return self.clean if self.manifest is None else self.manifest.clean_label

    def check_classes(self, classes: int) -> None:
        """Raise MemgateError where a label that is known beforehand is none of K classes."""
        known = {f"labels of {split}": labels for split, labels in self.given.items()}
        if self.clean_labels is not None:
            known["clean_labels"] = self.clean_labels
        for what, labels in known.items():
            require(
                int(labels.max()) < classes,
                f"{what} hold {labels.max()}, and there are {classes} classes: 0 to {classes - 1}.",
            )

    def _check_manifest(self, manifest: Manifest) -> None:
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
            "is given them, before any augmentation, or leave them out.",
        )

    def _check_images(self, split: str, images: NDArray[Any]) -> None:
        require(split in self.counts, f"images name the split {split}, which n_samples does not.")
        require(
            images.dtype == np.uint8 and images.ndim == 4 and images.shape[3] == 3 and images.size > 0,
            f"images of {split} are {images.dtype}{list(images.shape)} and must be uint8[N, H, W, 3], or grey.",
        )
        count = self.counts[split]
        require(len(images) == count, f"images of {split} are {len(images)} and its samples {count}.")

    def begin(
        self,
        given: Mapping[str, NDArray[np.int64]],
        classes: int,
        gates: tuple[str, ...],
        environment: dict[str, Any],
    ) -> Run:
        """Make the run, when all that its log keeps of the samples is known.

        Args:
            given: split to its given labels [N].
            classes: K.
            gates: their names.
            environment: what :func:`memgate.training.environment.describe` says of this machine.

        Raises:
            MemgateError: a label is unknown, the folder cannot be made, or the disk has no room for the log.
        """
        for split, labels in given.items():
            unknown = int((labels < 0).sum())
            require(
                unknown == 0,
                f"The labels of {unknown} of the {len(labels)} samples of {split} are unknown, since no batch had "
                "them before the first end_epoch() (drop_last=True, or a split that is evaluated later): give the "
                f'Recorder all of them beforehand, labels={{"{split}": [...]}}, {len(labels)} integers in '
                "the order of index.",
            )
        names = self.class_names or tuple(map(str, range(classes)))
        listed, manifest = b"", self.manifest
        if manifest is None:
            clean = given["train"] if self.clean is None else self.clean
            listed = b"" if np.array_equal(clean, given["train"]) else label_list(clean, given["train"])
            manifest = list_manifest(listed, clean, names, self.data, self.images.get("train"))
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
        )
        stored = {
            "recorded": to_json(outline),
            "settings": self.settings,
            "environment": environment,
            "digests": {
                split: source_digest(self.images.get(split, no_images(len(found))), found.clean_label)
                for split, found in samples.items()
            },
        }

        def fill(folder: Path) -> None:
            if listed:
                atomic_write(folder / GIVEN_LABELS, lambda stream: stream.write(listed))
            save_pictures(folder, self.images)

        layout = LogLayout(samples, gates, tuple(range(1, self.epochs + 1)), self.mode, names)
        return make_folder(self.path, stored, {"train": manifest}, layout, fill)


def plan(
    out: str | Path,
    name: str,
    n_samples: int | Mapping[str, int],
    epochs: int,
    labels: ArrayLike | Mapping[str, ArrayLike] | None,
    clean_labels: ArrayLike | None,
    manifest: Manifest | str | Path | None,
    class_names: Sequence[str] | None,
    images: ArrayLike | Mapping[str, ArrayLike] | None,
    *,
    mode: Literal["online", "eval"],
    data: str,
    model: str,
    seed: int | None,
    settings: Mapping[str, Any] | None,
) -> Recording:
    """Recorder's arguments, checked and in one form.

    Raises:
        MemgateError: one is out of its range, or two do not fit each other.
    """
    require(
        is_name(text(name, "name")),
        f"name {name!r} cannot be a folder's name: letters, digits, '.', '_' and '-' only, up to 100.",
    )
    numbers = n_samples if isinstance(n_samples, Mapping) else {"train": n_samples}
    counts = {split: whole(number, f"n_samples of {split}") for split, number in numbers.items()}
    if isinstance(manifest, str | Path):
        manifest = load_manifest(Path(manifest))
    require(
        manifest is None or isinstance(manifest, Manifest),
        f"manifest is a {type(manifest).__name__} and must be the path of a manifest, or one that was loaded.",
    )
    if manifest is not None and class_names is None:
        class_names = manifest.header.class_names
    labels = {
        split: checked_labels(found, counts[split], f"labels of {split}")
        for split, found in by_split(labels, "labels", counts).items()
    }
    return Recording(
        path=folder(out) / name,
        counts=counts,
        epochs=whole(epochs, "epochs"),
        class_names=class_list(class_names),
        labels=labels,
        clean=None
        if clean_labels is None
        else checked_labels(clean_labels, counts.get("train", 0), "clean_labels"),
        manifest=manifest,
        images={split: checked_images(found) for split, found in by_split(images, "images", counts).items()},
        mode=mode,
        data=text(data, "data"),
        model=text(model, "model"),
        seed=None if seed is None else whole(seed, "seed"),
        settings=json_values(settings),
    )
