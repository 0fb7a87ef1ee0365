"""Clean arrays and specs to corrupted arrays and a manifest; and the way back: does a manifest hold?"""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from noise.choose import hash_text
from noise.digests import column_digest, image_digests, pixels_digest, source_digest
from noise.errors import NoiseError, require
from noise.header import Header, Operation
from noise.images import randx
from noise.labels import symmetric
from noise.manifest import Manifest
from noise.spec import KINDS, CorruptionSpec, check_distinct, parse_spec
from noise.task import Change, Task

OPERATIONS: dict[str, Callable[[Task], Change]] = {
    "symmetric": symmetric,
    "randx": randx,
}
"""Kind to the function that carries it out; the kinds themselves are described in noise.spec."""


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
    labels: NDArray[np.integer],
    specs: Sequence[CorruptionSpec],
    *,
    seed: int,
    dataset: str,
    class_names: Sequence[str],
    sample_id: NDArray[np.integer] | None = None,
) -> Corrupted:
    """Corrupt a data set as the specs say, in their order; the arrays passed are left as they are.

    A sample gets at most one label operation and one image operation; one of each is allowed, and both are
    recorded. Every operation reads the clean data. An operation takes the first round(rate * N) samples of
    its own hash order that no earlier operation of the same target has taken; so the set chosen at a lower
    rate lies inside the set chosen at a higher one, as long as the operations before it stay the same.

    What happens to a chosen sample depends on (dataset, seed, kind, sample id) alone, not on its position,
    on the rate or on the other samples; only ``randx`` uses the channel statistics of all images passed.

    Args:
        images: [N, H, W, C] uint8, N at least 1.
        labels: [N] integers in [0, K).
        specs: what to do; none gives equal arrays and a clean manifest.
        seed: in [0, 2^63), apart from any training seed.
        dataset: name under which samples are hashed; two splits need two (``cifar10``, ``cifar10/test``).
        class_names: K names.
        sample_id: [N] distinct integers, 0 or above; ``0..N-1`` by default.

    Returns:
        New arrays and the manifest.

    Raises:
        NoiseError: the arrays do not fit together, a corruption is listed twice, or too few samples are left
            for one.
    """
    clean, ids, names = _checked(images, labels, seed, dataset, class_names, sample_id)
    check_distinct(tuple(specs))
    given_images, columns = _carry_out(images, clean, ids, specs, seed, dataset, len(names))
    flipped, replaced = columns["given_label"] != clean, columns["image_op"] > 0
    header = Header(
        dataset=dataset,
        source_digest=source_digest(images, clean),
        count=len(images),
        image_shape=tuple(images.shape[1:]),
        class_names=names,
        seed=int(seed),
        operations=_operations(specs, columns["label_op"], columns["image_op"], flipped),
        rates=_rates(specs, flipped, replaced),
        versions={"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
        column_digests={name: column_digest(column) for name, column in columns.items()},
        pixels_digest=pixels_digest(given_images),
    )
    return Corrupted(given_images, columns["given_label"].copy(), Manifest(header, **columns))


def _carry_out(
    images: NDArray[np.uint8],
    clean: NDArray[np.int64],
    ids: NDArray[np.int64],
    specs: Sequence[CorruptionSpec],
    seed: int,
    dataset: str,
    class_count: int,
) -> tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]:
    """The images after every operation, and the manifest's columns."""
    count = len(images)
    given_images, given = images.copy(), clean.copy()
    operation_of = {"label": np.zeros(count, dtype=np.int16), "image": np.zeros(count, dtype=np.int16)}
    severity, pixels = np.zeros(count, dtype=np.int8), np.zeros(count, dtype=np.uint64)
    source = [""] * count
    for code, spec in enumerate(specs, start=1):
        taken = operation_of[spec.target]
        task = Task(spec, images, clean, class_count, ids, taken == 0, dataset, seed)
        change = OPERATIONS[spec.kind](task)
        taken[change.positions] = code
        if spec.target == "label":
            given[change.positions] = change.values
            continue
        given_images[change.positions] = change.values
        severity[change.positions] = change.severity
        pixels[change.positions] = image_digests(given_images[change.positions])
        if change.sources:
            for position, origin in zip(change.positions.tolist(), change.sources, strict=True):
                source[position] = origin
    return given_images, {
        "sample_id": ids,
        "clean_label": clean,
        "given_label": given,
        "label_op": operation_of["label"],
        "image_op": operation_of["image"],
        "severity": severity,
        "source": np.array(source, dtype=np.str_),
        "pixels": pixels,
    }


def _checked(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    seed: int,
    dataset: str,
    class_names: Sequence[str],
    sample_id: NDArray[np.integer] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
    """Clean labels, sample ids and class names in their final types, or NoiseError."""
    require(
        images.dtype == np.uint8 and images.ndim == 4 and images.size > 0,
        f"images are {images.dtype}{list(images.shape)} and must be uint8[N, H, W, C] with N at least 1.",
    )
    if sample_id is None:
        sample_id = np.arange(len(images))
    for name, column in (("labels", labels), ("sample_id", sample_id)):
        require(
            column.shape == (len(images),) and column.dtype.kind in "iu",
            f"{name} are {column.dtype}{list(column.shape)} and must be {len(images)} integers.",
        )
    clean, ids = labels.astype(np.int64), sample_id.astype(np.int64)
    names = tuple(str(name) for name in class_names)
    require(
        clean.min() >= 0 and clean.max() < len(names),
        f"labels run from {clean.min()} to {clean.max()}, but there are {len(names)} class names: "
        "labels count from 0, and every class needs its name.",
    )
    require(ids.min() >= 0, f"sample_id {ids.min()} is negative: ids are row numbers, from 0.")
    values, counts = np.unique(ids, return_counts=True)
    require(
        len(values) == len(ids),
        f"sample_id {values[counts.argmax()]} occurs twice: every id must be distinct.",
    )
    require(0 <= seed < 2**63, f"the noise seed {seed} is out of range: from 0 to 2^63-1.")
    hash_text(dataset)
    return clean, ids, names


def _operations(
    specs: Sequence[CorruptionSpec],
    label_op: NDArray[np.int16],
    image_op: NDArray[np.int16],
    flipped: NDArray[np.bool_],
) -> tuple[Operation, ...]:
    """The header's record of each spec."""
    rows: list[Operation] = []
    for code, spec in enumerate(specs, start=1):
        touched = (label_op if spec.target == "label" else image_op) == code
        corrupted = touched & flipped if spec.target == "label" else touched
        rows.append(
            Operation(
                code=code,
                text=str(spec),
                kind=spec.kind,
                target=spec.target,
                convention=KINDS[spec.kind].convention,
                parameters=spec.parameters,
                requested=spec.rate,
                selected=int(touched.sum()),
                realised=float(corrupted.mean()),
            )
        )
    return tuple(rows)


def _rates(
    specs: Sequence[CorruptionSpec], flipped: NDArray[np.bool_], replaced: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """Requested and realised rate of each target, and the realised rate of any corruption."""
    rates: dict[str, dict[str, float]] = {}
    for target, corrupted in (("label", flipped), ("image", replaced)):
        # Summed as written: 0.1 + 0.2 is 0.3 here.
        requested = sum((Fraction(repr(spec.rate)) for spec in specs if spec.target == target), Fraction(0))
        rates[target] = {"requested": float(requested), "realised": float(corrupted.mean())}
    rates["any"] = {"realised": float((flipped | replaced).mean())}
    return rates


def verify(manifest: Manifest, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> list[str]:
    """Recompute a manifest from the clean source and compare everything but the library versions.

    Args:
        manifest: as loaded.
        images: [N, H, W, C] uint8, the clean images in the manifest's order.
        labels: [N] the clean labels.

    Returns:
        One sentence per difference; empty when all is equal.
    """
    header = manifest.header
    found = [
        f"Column {name} is not the one that was written: its digest differs."
        for name in manifest.verify_columns()
    ]
    if (len(images), *images.shape[1:]) != (header.count, *header.image_shape):
        shape = [header.count, *header.image_shape]
        return [*found, f"The source has images {list(images.shape)}, the manifest was made from {shape}."]
    try:
        specs = tuple(parse_spec(operation.text) for operation in header.operations)
        again = corrupt(
            images,
            labels,
            specs,
            seed=header.seed,
            dataset=header.dataset,
            class_names=header.class_names,
            sample_id=manifest.sample_id,
        ).manifest
    except NoiseError as error:
        return [*found, f"The manifest cannot be recomputed from this source: {error}"]
    return found + _differences(manifest, again)


def _differences(manifest: Manifest, again: Manifest) -> list[str]:
    """Sentences for what differs between a manifest and its recomputation."""
    found: list[str] = []
    header, other = manifest.header, again.header
    if header.source_digest != other.source_digest:
        found.append(
            f"The source is another one: SHA-256 {other.source_digest[:12]}, and the manifest was made "
            f"from {header.source_digest[:12]}."
        )
    columns = again.columns()
    for name, column in manifest.columns().items():
        rows = np.flatnonzero(column != columns[name])
        if len(rows):
            first = int(manifest.sample_id[rows[0]])
            found.append(f"Column {name} differs in {len(rows)} samples, the first with sample_id {first}.")
    if header.pixels_digest != other.pixels_digest:
        found.append("The corrupted images differ from those the manifest was written with.")
    if (header.operations, header.rates) != (other.operations, other.rates):
        found.append("The header's operations or rates are not those that were carried out.")
    return found
