"""Export of a manifest to formats of other tools: label lists, tables, noise matrices.

The files are read back by the kinds ``label-list:file=`` (JSON or CSV), ``open-list:file=:source=`` and
``matrix:file=``. Equal manifests give equal bytes.
"""

import csv
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from noise.errors import require
from noise.files.json_form import json_text
from noise.files.read import ReadFile
from noise.files.tables import TABLES, columns_of, ending
from noise.manifest.manifest import Manifest
from noise.manifest.summary import label_counts

CSV_COLUMNS = (
    "sample_id",
    "clean_label",
    "given_label",
    "label_kind",
    "image_kind",
    "cause",
    "severity",
    "source",
)


def dividemix(manifest: Manifest) -> bytes:
    """Noise file for DivideMix (Li et al. 2020, github.com/LiJunnan1992/DivideMix).

    Returns:
        A JSON list of N integers: entry i is the given label of row i of the official training file.

    Raises:
        NoiseError: the manifest does not cover a whole split.
    """
    _check_whole(manifest, "DivideMix")
    return json_text(manifest.given_label).encode()


def evidentialmix(manifest: Manifest) -> bytes:
    """Noise file for EvidentialMix (Sachdeva et al. 2021, github.com/ragavsachdeva/EvidentialMix).

    Returns:
        A JSON object: ``noise_labels``, the N given labels; ``open_noise``, a pair [sample row, source row] for
        each image of another data set; ``closed_noise``, the rows not in ``open_noise`` whose given label differs
        from the clean one. (EvidentialMix's own files also list rows that drew their clean label again.)

    Raises:
        NoiseError: the manifest does not cover a whole split, or its open-set images come from several data sets,
            which the file cannot name.
    """
    _check_whole(manifest, "EvidentialMix")
    rows = np.flatnonzero(manifest.open_set).tolist()
    origins = [manifest.source[row].rpartition(":") for row in rows]
    names = sorted({name for name, _, _ in origins})
    require(
        len(names) <= 1,
        f"its open-set images come from {' and '.join(names)}, but EvidentialMix's file can hold only one source: "
        "export it as csv, which names the source of each image.",
    )
    content = {
        "noise_labels": manifest.given_label.tolist(),
        "open_noise": [[row, int(number)] for row, (_, _, number) in zip(rows, origins, strict=True)],
        "closed_noise": np.flatnonzero(manifest.label_corrupted & ~manifest.open_set).tolist(),
    }
    return json_text(content).encode()


def table(manifest: Manifest) -> bytes:
    """CSV table with :data:`CSV_COLUMNS` and a row per sample, in the order of the manifest.

    Returns:
        UTF-8 text with a header row and LF line ends; labels are class numbers, kinds are ``none`` without an
        operation.
    """
    columns = (
        manifest.sample_id,
        manifest.clean_label,
        manifest.given_label,
        manifest.label_kinds,
        manifest.image_kinds,
        manifest.cause,
        manifest.severity,
        manifest.source,
    )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
    return text.getvalue().encode()


def noise_matrix(manifest: Manifest) -> NDArray[np.float64]:
    """The realised transition matrix [K, K]; row i is P(given label | clean label i) and sums to one.

    The row of a class without samples has a one on the diagonal.
    """
    counts = label_counts(manifest)
    np.fill_diagonal(counts, np.where(counts.sum(axis=1) == 0, 1, counts.diagonal()))
    return counts / counts.sum(axis=1, keepdims=True)


def matrix(manifest: Manifest) -> bytes:
    """CSV of :func:`noise_matrix`, for ``matrix:file=FILE`` and ``numpy.loadtxt(path, delimiter=",")``."""
    return _matrix_text(manifest, noise_matrix(manifest), "row i, column j: P(given j | clean i)")


def cleanlab(manifest: Manifest) -> bytes:
    """CSV of the transposed :func:`noise_matrix`, as in cleanlab: columns are the true classes and sum to one.

    It is also read by ``matrix:file=FILE:orientation=cleanlab``.
    """
    return _matrix_text(
        manifest, noise_matrix(manifest).T, "row i, column j: P(given i | clean j), as in cleanlab"
    )


FORMATS: dict[str, Callable[[Manifest], bytes]] = {
    "dividemix": dividemix,
    "evidentialmix": evidentialmix,
    "csv": table,
    "cleanlab": cleanlab,
    "matrix": matrix,
}
"""Formats of ``memgate corrupt export``; each raises NoiseError for a manifest that it cannot hold."""


def left_out(manifest: Manifest, name: str) -> str:
    """Message about corrupted images that the format ``name`` omits; empty where it omits none.

    The matrix formats hold no single samples, so nothing is reported for them.
    """
    images = {
        "dividemix": manifest.image_corrupted,
        "evidentialmix": manifest.image_corrupted & ~manifest.open_set,
    }
    count = int(images[name].sum()) if name in images else 0
    if not count:
        return ""
    return (
        f"the {name} format omits the operations on {count} images, so training on it uses the clean images: "
        "the csv format names the operations, and the manifest reproduces the images."
    )


def format_of(file: ReadFile) -> str:
    """Format of a file that lists samples: ``dividemix``, ``evidentialmix`` or ``csv``.

    By the rule of the kind ``label-list``: the ending tells a table (:mod:`noise.files.tables`); JSON is told apart by
    its content.

    Raises:
        NoiseError: the file is neither a table nor JSON.
    """
    if ending(file.path) in TABLES:
        return "csv"
    return "evidentialmix" if isinstance(file.json(), dict) else "dividemix"


def corrupted_images(file: ReadFile) -> int:
    """Number of rows of a table of :func:`table` that name an image operation; 0 for one without that column."""
    kinds = columns_of(file).get("image_kind", np.zeros(0, np.str_))
    return sum(kind not in (None, "", "none") for kind in kinds.tolist())


def _check_whole(manifest: Manifest, tool: str) -> None:
    """Raise NoiseError unless row i of the manifest is sample i, which a list without ids requires."""
    require(
        bool(np.array_equal(manifest.sample_id, np.arange(manifest.header.count))),
        f"{tool}'s file lists every row of the official file in order, but this manifest holds "
        f"{manifest.header.count} samples with ids up to {manifest.sample_id.max()}: write it without a limit or a "
        "validation split, or export it as csv.",
    )


def _matrix_text(manifest: Manifest, values: NDArray[np.float64], orientation: str) -> bytes:
    """CSV of a matrix [K, K] after a comment line; every number reads back as the same float."""
    header = manifest.header
    # JSON text is ASCII on one line whatever the names hold; readers differ in the encoding they assume.
    comment = (
        f"# {json_text(header.dataset)}, seed {header.seed}; {orientation}; {json_text(header.class_names)}"
    )
    lines = [comment, *(",".join(map(repr, row)) for row in values.tolist())]
    return ("\n".join(lines) + "\n").encode()
