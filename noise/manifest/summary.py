"""Numbers of a manifest: rates overall and per class, counts, and label transitions."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.errors import require
from noise.manifest.manifest import CAUSES, Manifest

MATRIX_CLASSES = 2_000
"""Number of classes up to which there is a matrix of them: 32 MB; of 65,535 it would take 32 GiB."""


def label_changes(manifest: Manifest) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Clean label, given label and number of samples of each change of a label that occurs, each [n].

    In the order of the clean labels, then of the given ones; labels that stay the same are left out.
    """
    changed = manifest.label_corrupted
    pairs = np.stack([manifest.clean_label[changed], manifest.given_label[changed]], axis=1)
    pairs, counts = np.unique(pairs, axis=0, return_counts=True)
    return pairs[:, 0], pairs[:, 1], counts


def label_counts(manifest: Manifest) -> NDArray[np.int64]:
    """Number of samples [K, K] by clean label (row) and given label (column).

    Raises:
        NoiseError: there are more than :data:`MATRIX_CLASSES` classes.
    """
    classes = manifest.header.class_count
    require(
        classes <= MATRIX_CLASSES,
        f"a matrix of {classes:,} classes is too large, and {MATRIX_CLASSES:,} are possible: export the table of "
        "samples (csv).",
    )
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (manifest.clean_label, manifest.given_label), 1)
    return counts


def summary(manifest: Manifest) -> dict[str, Any]:
    """Rates, counts and transitions as plain values, ready for JSON or a table.

    Returns:
        ``dataset``, ``seed``, ``count``, ``grey``, ``class_names``; ``rates`` (label, image, any: requested and
        realised); ``operations`` (one dict each, see :class:`noise.manifest.header.Operation`); ``causes`` (cause
        to count); ``classes`` (per clean class: count, requested and realised label and image rate);
        ``transition`` ([K][K] shares, row = clean class, column = given class; zeros for an empty class; None for
        more than :data:`MATRIX_CLASSES` classes).
        A requested rate that only a file determines is None.
    """
    header = manifest.header
    totals = _of_class(manifest, np.ones(header.count, np.bool_))
    masks = {"label": manifest.label_corrupted, "image": manifest.image_corrupted}
    corrupted = {target: _of_class(manifest, mask) for target, mask in masks.items()}
    requested = {target: _requested(manifest, target) for target in corrupted}
    classes: list[dict[str, Any]] = []
    for label, name in enumerate(header.class_names):
        row = {"class": label, "name": name, "count": int(totals[label])}
        for target in corrupted:
            shares = requested[target]
            row[f"{target}_requested"] = None if shares is None else float(shares[label])
            row[f"{target}_realised"] = float(corrupted[target][label] / max(1, totals[label]))
        classes.append(row)
    cause = manifest.cause
    return {
        "dataset": header.dataset,
        "seed": header.seed,
        "count": header.count,
        "grey": header.grey,
        "class_names": list(header.class_names),
        "rates": header.rates,
        "operations": [
            {"kind": operation.kind, **dataclasses.asdict(operation)} for operation in header.operations
        ],
        "causes": {name: int((cause == name).sum()) for name in CAUSES},
        "classes": classes,
        "transition": None
        if header.class_count > MATRIX_CLASSES
        else (label_counts(manifest) / np.maximum(totals, 1)[:, None]).tolist(),
    }


def _of_class(manifest: Manifest, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of samples [K] of each clean class where ``mask`` [N] holds."""
    return np.bincount(manifest.clean_label[mask], minlength=manifest.header.class_count)


def _requested(manifest: Manifest, target: str) -> NDArray[np.float64] | None:
    """Share [K] of each class that operations on ``target`` request, at most 1; None where one is unknown."""
    total = np.zeros(manifest.header.class_count)
    for operation in manifest.header.operations:
        if target not in operation.spec.targets:
            continue
        if operation.class_requested is None:
            return None
        total += operation.class_requested
    return np.minimum(total, 1)
