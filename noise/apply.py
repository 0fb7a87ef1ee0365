"""Clean arrays and specs to corrupted arrays and a manifest."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import PIL
import scipy
from numpy.typing import ArrayLike, NDArray

from noise.checks import checked
from noise.errors import require
from noise.files.digests import column_digest, image_digests, pixels_digest, source_digest
from noise.images.cifar10c import RENDERERS, rendered
from noise.images.open_set import open_list, open_set
from noise.images.replacement import occlusion, random_pixels, randx, shuffled_pixels
from noise.kinds import KINDS
from noise.labels.asymmetric import asymmetric
from noise.labels.human import human
from noise.labels.instance import instance
from noise.labels.lists import label_list
from noise.labels.matrix import matrix
from noise.labels.symmetric import pair, random_labels, symmetric, symmetric_iid, symmetric_incl
from noise.manifest.header import Header, Operation
from noise.manifest.manifest import Manifest
from noise.spec import CorruptionSpec, parse_specs
from noise.task import Change, Task

RENDERED: dict[str, Callable[[Task, NDArray[np.int64]], NDArray[np.uint8]]] = {
    "randx": randx,
    "random-pixels": random_pixels,
    "shuffled-pixels": shuffled_pixels,
    "occlusion": occlusion,
    **dict.fromkeys(RENDERERS, rendered),
}
"""Kinds that make new images of the samples at given positions; which ones is the same rule for all."""

CHOSEN: dict[str, Callable[[Task], Change]] = {
    "symmetric": symmetric,
    "symmetric-incl": symmetric_incl,
    "symmetric-iid": symmetric_iid,
    "asymmetric": asymmetric,
    "pair": pair,
    "random": random_labels,
    "matrix": matrix,
    "instance": instance,
    "human": human,
    "label-list": label_list,
    "open": open_set,
    "open-list": open_list,
}
"""Kinds that say themselves which samples they touch."""


@dataclass(frozen=True, eq=False)
class Corrupted:
    """What training is given, and the record of it.

    Attributes:
        images: [N, H, W, C] uint8.
        labels: [N] int64, the given labels.
        manifest: one row per sample.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    manifest: Manifest


def corrupt(
    images: NDArray[np.uint8],
    labels: ArrayLike,
    specs: Sequence[CorruptionSpec | str],
    *,
    seed: int,
    dataset: str,
    class_names: Sequence[str],
    sample_id: ArrayLike | None = None,
    sources: Mapping[str, NDArray[np.uint8]] | None = None,
) -> Corrupted:
    """Corrupt a data set as the specs say, in their order; the arrays passed are left as they are.

    A sample gets at most one label operation and one image operation; one of each is allowed, and both are
    recorded. Every operation reads the clean data. An operation takes the first round(rate * N) samples of
    its own hash order that no earlier operation of the same target has taken; so the set chosen at a lower
    rate lies inside the set chosen at a higher one, as long as the operations before it stay the same.
    Kinds that decide sample by sample (``symmetric-iid``, ``matrix``, ``instance``, ``human`` and the lists)
    leave those alone that were taken before.

    What happens to a chosen sample depends on (dataset, seed, kind, sample id) alone, not on its position,
    on the rate or on the other samples. The exceptions: ``randx``, ``occlusion`` and ``instance`` use the
    channel statistics of all images passed (``occlusion`` with black does not), and ``open`` hands out its images
    in the order of selection.

    Args:
        images: [N, H, W, C] uint8, N at least 1.
        labels: [N] integers in [0, K).
        specs: what to do, as specs or as text (``symmetric:0.4``); none gives equal arrays and a clean manifest.
        seed: in [0, 2^63), apart from any training seed.
        dataset: name under which samples are hashed; two splits need two (``cifar10``, ``cifar10/test``).
        class_names: K names.
        sample_id: [N] distinct integers, 0 or above; ``0..N-1`` by default.
        sources: name to images [M, h, w, c] uint8 of the data sets that ``open`` kinds name (``svhn`` …).

    Returns:
        New arrays and the manifest.

    Raises:
        NoiseError: the arrays do not fit together, a corruption is listed twice, a file cannot be used, or
            too few samples are left for an operation.
    """
    images, clean, ids, names = checked(images, labels, seed, dataset, class_names, sample_id)
    seed = int(seed)
    todo = parse_specs(specs)
    record = _Record(images, clean)
    for code, spec in enumerate(todo, start=1):
        free = record.free(spec)
        task = Task(spec, images, clean, names, ids, free, dataset, seed, sources or {})
        record.add(code, task, changed(task))
    columns = {"sample_id": ids, "clean_label": clean, **record.columns()}
    header = Header(
        dataset=dataset,
        source_digest=source_digest(images, clean),
        count=len(images),
        image_shape=tuple(images.shape[1:]),
        class_names=names,
        seed=seed,
        operations=tuple(record.operations),
        rates=_rates(record),
        versions={"python": platform.python_version(), **library_versions()},
        column_digests={name: column_digest(column) for name, column in columns.items()},
        pixels_digest=pixels_digest(record.images),
    )
    return Corrupted(record.images, record.given.copy(), Manifest(header, **columns))


def library_versions() -> dict[str, str]:
    """Name to version of the libraries that may have a say in a pixel."""
    return {"numpy": np.__version__, "scipy": scipy.__version__, "pillow": PIL.__version__}


def changed(task: Task) -> Change:
    """What the task's operation does."""
    kind = task.spec.kind
    if kind in CHOSEN:
        return CHOSEN[kind](task)
    positions = task.take(task.order())
    return Change(positions, images=RENDERED[kind](task, positions))


class _Record:
    """The data as far as it is corrupted, and what was done to it."""

    def __init__(self, images: NDArray[np.uint8], clean: NDArray[np.int64]) -> None:
        count = len(images)
        self.clean = clean
        self.images, self.given = images.copy(), clean.copy()
        self.operation = {"label": np.zeros(count, np.int16), "image": np.zeros(count, np.int16)}
        self.severity, self.pixels = np.zeros(count, np.int8), np.zeros(count, np.uint64)
        self.source = [""] * count
        self.operations: list[Operation] = []

    def free(self, spec: CorruptionSpec) -> NDArray[np.bool_]:
        """[N] samples without an operation on anything that ``spec`` changes."""
        taken = [self.operation[target] > 0 for target in spec.targets]
        return ~np.logical_or.reduce(taken)

    def add(self, code: int, task: Task, change: Change) -> None:
        """Carry out a change under its code, and write down what it did."""
        at = change.positions
        wrong = np.zeros(len(at), np.bool_)
        if change.labels is not None:
            self.given[at] = change.labels
            self.operation["label"][at] = code
            wrong |= change.labels != self.clean[at]
        if change.images is not None:
            self.images[at] = change.images
            self.operation["image"][at] = code
            self.severity[at] = task.spec.severity
            self.pixels[at] = image_digests(change.images)
            wrong[:] = True
        for position, origin in zip(at.tolist(), change.sources, strict=False):
            self.source[position] = origin
        self._check_files(task.spec, change)
        self.operations.append(_operation(code, task, change, int(wrong.sum())))

    def _check_files(self, spec: CorruptionSpec, change: Change) -> None:
        """NoiseError when files that were read share a name, or one is opened twice for the same images."""
        known = dict(file for operation in self.operations for file in operation.files)
        opened = {
            file for operation in self.operations if operation.kind == "open" for file in operation.files
        }
        for name, digest in change.files:
            require(
                known.get(name, digest) == digest,
                f"two different files are called {name}, and the manifest names files without their folders: "
                "rename one of them.",
            )
            require(
                spec.kind != "open" or (name, digest) not in opened,
                f"open takes images of {name} twice, and both would be the same ones: give it once.",
            )

    def columns(self) -> dict[str, NDArray[Any]]:
        """The manifest's columns after the clean ones."""
        return {
            "given_label": self.given,
            "label_op": self.operation["label"],
            "image_op": self.operation["image"],
            "severity": self.severity,
            "source": np.array(self.source, dtype=np.str_),
            "pixels": self.pixels,
        }


def _operation(code: int, task: Task, change: Change, corrupted: int) -> Operation:
    """The header's record of an operation that corrupted so many samples."""
    spec, count = task.spec, len(task.labels)
    requested, by_class = spec.rate, None
    if change.requested is not None:
        requested = float(change.requested[task.labels].sum() / count)
        by_class = tuple(change.requested.tolist())
    elif spec.rate is not None:
        by_class = (spec.rate,) * task.class_count
    return Operation(
        code=code,
        text=str(spec),
        convention=change.convention or KINDS[spec.kind].convention,
        requested=requested,
        class_requested=by_class,
        selected=len(change.positions),
        realised=corrupted / count,
        files=change.files,
    )


def _rates(record: _Record) -> dict[str, dict[str, float | None]]:
    """Requested and realised rate of each target, and the realised rate of any corruption."""
    wrong = {"label": record.given != record.clean, "image": record.operation["image"] > 0}
    rates: dict[str, dict[str, float | None]] = {}
    for target, corrupted in wrong.items():
        asked = [operation.requested for operation in record.operations if target in operation.spec.targets]
        total = None
        if None not in asked:
            # Summed as written: 0.1 + 0.2 is 0.3 here. Kinds that take what is free know it as it came out,
            # exact ones as it was planned: together that may pass 1.
            total = min(1.0, float(sum((Fraction(repr(rate)) for rate in asked), Fraction(0))))
        rates[target] = {"requested": total, "realised": float(corrupted.mean())}
    rates["any"] = {"realised": float((wrong["label"] | wrong["image"]).mean())}
    return rates
