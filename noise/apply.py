"""Corrupt a data set: clean arrays and specs in, corrupted arrays and a manifest out."""

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from noise.pixels import checked_images, in_colour, in_layout, is_grey
from noise.spec import CorruptionSpec, parse_specs
from noise.task import Change, Task

RENDERED: dict[str, Callable[[Task, NDArray[np.int64]], NDArray[np.uint8]]] = {
    "randx": randx,
    "random-pixels": random_pixels,
    "shuffled-pixels": shuffled_pixels,
    "occlusion": occlusion,
    **dict.fromkeys(RENDERERS, rendered),
}
"""Kinds that render new images of the samples at given positions, each image by itself.

The samples are chosen by the same rule for all of them: the first round(rate * N) free ones in hash order.
"""

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
"""Kinds with a rule of their own for which samples they change."""


@dataclass(frozen=True, eq=False)
class Corrupted:
    """A corrupted data set and its record.

    Attributes:
        images: [N, H, W, C] uint8, as given to training; grey images in the layout in which they were passed.
        labels: [N] int64 in [0, K), the given labels.
        manifest: what was done to each of the N samples.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    manifest: Manifest


def corrupt(
    images: ArrayLike,
    labels: ArrayLike,
    specs: Sequence[CorruptionSpec | str],
    *,
    seed: int,
    dataset: str,
    class_names: Iterable[Any] | None = None,
    sample_id: ArrayLike | None = None,
    sources: Mapping[str, NDArray[np.uint8]] | None = None,
    grey: bool | None = None,
) -> Corrupted:
    """Corrupted images uint8 in the layout of ``images``, given labels [N] int64, and the manifest of both.

    The operations are carried out in the order of ``specs``, each on the clean data. A sample gets at most one
    label operation and one image operation; one of each is allowed, and both are recorded. An operation takes the
    first round(rate * N) samples of its own hash order that no earlier operation on the same target has taken, so
    the samples chosen at a lower rate are a subset of those chosen at a higher rate, as long as the operations
    before it stay the same. Kinds that decide for each sample separately (``symmetric-iid``, ``matrix``,
    ``instance``, ``human`` and the lists) skip samples that an earlier operation has taken.

    The result for a chosen sample depends only on (dataset, seed, kind, sample id), not on its position, the rate
    or the other samples. The exceptions: ``randx``, ``occlusion`` and ``instance`` use the channel statistics of all
    images passed (``occlusion`` with ``fill=black`` does not), and ``open`` assigns its images in the order of
    selection.

    Grey data stays grey: a kind that draws for each value draws once for all channels, and open-set images are
    converted to grey. The manifest counts grey images as [N, H, W, 3], as a run of memgate does.

    Args:
        images: [N, H, W, C] uint8, or grey [N, H, W], [N, H, W, 1] or [N, 1, H, W]; N at least 1; not changed.
        labels: [N] integers in [0, K); not changed.
        specs: corruptions as specs or as text (``symmetric:0.4``); an empty list gives equal arrays and a clean
            manifest.
        seed: in [0, 2^63), independent of any training seed.
        dataset: name under which samples are hashed; give each split its own (``cifar10``, ``cifar10/test``).
        class_names: K distinct names; bytes are decoded as UTF-8. None: the numbers of the classes, which must then
            all have images.
        sample_id: [N] distinct integers, 0 or above; ``0..N-1`` by default.
        sources: name to images [M, h, w, c] uint8 of the data sets that ``open`` kinds name (``svhn`` …).
        grey: whether the data set is grey. None: whether the channels of all ``images`` are equal; to be given where
            they are a part of a data set that has colour images too. False also for what manifests from before this
            rule did, which drew each channel apart.

    Returns:
        New arrays and the manifest.

    Raises:
        NoiseError: the arrays do not fit together, a class has no image and no name, a corruption is listed twice, a
            file cannot be used, or too few samples are left for an operation.

    Example:
        >>> import noise, numpy as np
        >>> images, labels = np.zeros((10, 8, 8, 3), np.uint8), np.arange(10)
        >>> names = [f"class {label}" for label in range(10)]
        >>> result = noise.corrupt(
        ...     images, labels, ["symmetric:0.4", "gaussian:0.2"], seed=0, dataset="mine", class_names=names
        ... )
        >>> int((result.labels != labels).sum()), int(result.manifest.image_corrupted.sum())
        (4, 2)
    """
    given = checked_images(images)
    pixels, grey = _in_channels(given, grey)
    clean, ids, names = checked(len(pixels), labels, seed, dataset, class_names, sample_id)
    seed = int(seed)
    parsed = parse_specs(specs)
    record = _Record(pixels, clean)
    for code, spec in enumerate(parsed, start=1):
        free = record.free(spec)
        task = Task(spec, pixels, clean, names, ids, free, dataset, seed, sources or {}, grey)
        record.add(code, task, changed(task))
    columns = {"sample_id": ids, "clean_label": clean, **record.columns()}
    header = Header(
        dataset=dataset,
        source_digest=source_digest(pixels, clean),
        count=len(pixels),
        image_shape=tuple(pixels.shape[1:]),
        class_names=names,
        seed=seed,
        operations=tuple(record.operations),
        rates=_rates(record),
        versions={"python": platform.python_version(), **library_versions()},
        column_digests={name: column_digest(column) for name, column in columns.items()},
        pixels_digest=pixels_digest(record.images),
        grey=grey,
    )
    made = in_layout(record.images, given.shape)
    return Corrupted(made, record.given.copy(), Manifest(header, **columns))


def _in_channels(images: NDArray[np.uint8], grey: bool | None) -> tuple[NDArray[np.uint8], bool]:
    """The images [N, H, W, C] that are corrupted, and whether they are grey data.

    Raises:
        NoiseError: ``grey`` is not what the images are.
    """
    if grey is False:
        require(
            images.ndim == 4 and images.shape[-1] <= 4,
            f"grey=False, and images are {list(images.shape)}, which is grey: leave grey out.",
        )
        return images, False
    colour = in_colour(images)
    equal = is_grey(colour)
    require(equal or not grey, "grey=True, and the images have colours: leave grey out.")
    return colour, equal


def library_versions() -> dict[str, str]:
    """Name to version of the libraries whose version can change a pixel value."""
    return {"numpy": np.__version__, "scipy": scipy.__version__, "pillow": PIL.__version__}


def changed(task: Task) -> Change:
    """The change that the operation of a task makes."""
    kind = task.spec.kind
    if kind in CHOSEN:
        return CHOSEN[kind](task)
    positions = task.take(task.order())
    return Change(positions, images=task.render(lambda single: RENDERED[kind](single, positions)))


class _Record:
    """The corrupted data so far, and the operations that were carried out on it."""

    def __init__(self, images: NDArray[np.uint8], clean: NDArray[np.int64]) -> None:
        count = len(images)
        self.clean = clean
        self.images, self.given = images.copy(), clean.copy()
        self.operation = {"label": np.zeros(count, np.int16), "image": np.zeros(count, np.int16)}
        self.severity, self.pixels = np.zeros(count, np.int8), np.zeros(count, np.uint64)
        self.source = [""] * count
        self.operations: list[Operation] = []

    def free(self, spec: CorruptionSpec) -> NDArray[np.bool_]:
        """[N] whether no earlier operation has changed what ``spec`` changes (label, image or both)."""
        taken = [self.operation[target] > 0 for target in spec.targets]
        return ~np.logical_or.reduce(taken)

    def add(self, code: int, task: Task, change: Change) -> None:
        """Apply a change and record it under its code."""
        positions = change.positions
        corrupted = np.zeros(len(positions), np.bool_)
        if change.labels is not None:
            self.given[positions] = change.labels
            self.operation["label"][positions] = code
            corrupted |= change.labels != self.clean[positions]
        if change.images is not None:
            self.images[positions] = change.images
            self.operation["image"][positions] = code
            self.severity[positions] = task.spec.severity
            self.pixels[positions] = image_digests(change.images)
            corrupted[:] = True
        for position, origin in zip(positions.tolist(), change.sources, strict=False):
            self.source[position] = origin
        self._check_files(task.spec, change)
        self.operations.append(_operation(code, task, change, int(corrupted.sum())))

    def _check_files(self, spec: CorruptionSpec, change: Change) -> None:
        """Raise NoiseError when two files share a name, or one file is the source of two ``open`` operations."""
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
                f"open takes images of {name} twice, and both times the same ones: give it once.",
            )

    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns of the manifest that the operations have filled, each [N]."""
        return {
            "given_label": self.given,
            "label_op": self.operation["label"],
            "image_op": self.operation["image"],
            "severity": self.severity,
            "source": np.array(self.source, dtype=np.str_),
            "pixels": self.pixels,
        }


def _operation(code: int, task: Task, change: Change, corrupted: int) -> Operation:
    """The header entry of an operation that corrupted ``corrupted`` samples."""
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
    masks = {"label": record.given != record.clean, "image": record.operation["image"] > 0}
    rates: dict[str, dict[str, float | None]] = {}
    for target, corrupted in masks.items():
        requested = [
            operation.requested for operation in record.operations if target in operation.spec.targets
        ]
        total = None
        if None not in requested:
            # Exact arithmetic on the decimal text, so that 0.1 + 0.2 is 0.3. Some kinds state the share that was
            # still free and others the planned one; the sum of both can exceed 1.
            total = min(1.0, float(sum((Fraction(repr(rate)) for rate in requested), Fraction(0))))
        rates[target] = {"requested": total, "realised": float(corrupted.mean())}
    rates["any"] = {"realised": float((masks["label"] | masks["image"]).mean())}
    return rates
