"""Numbers of a manifest: rates overall and per class, counts, and label transitions."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.manifest.manifest import CAUSES, Manifest


def label_counts(manifest: Manifest) -> NDArray[np.int64]:
    """Number of samples [K, K] by clean label (row) and given label (column)."""
    counts = np.zeros((manifest.header.class_count,) * 2, dtype=np.int64)
    np.add.at(counts, (manifest.clean_label, manifest.given_label), 1)
    return counts


def summary(manifest: Manifest) -> dict[str, Any]:
    """Rates, counts and transitions as plain values, ready for JSON or a table.

    Returns:
        ``dataset``, ``seed``, ``count``, ``grey``, ``class_names``; ``rates`` (label, image, any: requested and
        realised); ``operations`` (one dict each, see :class:`noise.manifest.header.Operation`); ``causes`` (cause
        to count); ``classes`` (per clean class: count, requested and realised label and image rate);
        ``transition`` ([K][K] shares, row = clean class, column = given class; zeros for an empty class).
        A requested rate that only a file determines is None.
    """
    header = manifest.header
    counts = label_counts(manifest)
    totals = counts.sum(axis=1)
    images = np.bincount(manifest.clean_label[manifest.image_corrupted], minlength=header.class_count)
    corrupted = {"label": totals - counts.diagonal(), "image": images}
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
        "transition": (counts / np.maximum(totals, 1)[:, None]).tolist(),
    }


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
