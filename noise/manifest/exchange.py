"""A manifest as what other tools read: label lists, tables, noise matrices.

The way back exists as kinds of corruption: ``label-list:file=`` (JSON or CSV), ``open-list:file=:source=`` and
``matrix:file=``. Equal manifests give equal bytes.
"""

import csv
import io
import json
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from noise.errors import require
from noise.files.read import ReadFile
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
    """The noise file of DivideMix (Li et al. 2020, github.com/LiJunnan1992/DivideMix).

    Returns:
        A JSON list of N integers: entry i is the given label of row i of the official training file.

    Raises:
        NoiseError: the manifest is not of a whole split.
    """
    _check_whole(manifest, "DivideMix")
    return json.dumps(manifest.given_label.tolist()).encode()


def evidentialmix(manifest: Manifest) -> bytes:
    """The noise file of EvidentialMix (Sachdeva et al. 2021, github.com/ragavsachdeva/EvidentialMix).

    Returns:
        A JSON object: ``noise_labels``, the N given labels; ``open_noise``, a pair [sample row, source row] for
        each image of another data set; ``closed_noise``, the rows whose given label is not the clean one,
        without those in ``open_noise``. (EvidentialMix's own files also list the rows that drew their clean
        label again.)

    Raises:
        NoiseError: the manifest is not of a whole split, or its open-set images come from several data sets,
            of which the file cannot name any.
    """
    _check_whole(manifest, "EvidentialMix")
    rows = np.flatnonzero(manifest.open_set).tolist()
    origins = [manifest.source[row].rpartition(":") for row in rows]
    names = sorted({name for name, _, _ in origins})
    require(
        len(names) <= 1,
        f"its open-set images come from {' and '.join(names)}, and EvidentialMix's file can mean one source only: "
        "export it as csv, which names the source of each image.",
    )
    content = {
        "noise_labels": manifest.given_label.tolist(),
        "open_noise": [[row, int(number)] for row, (_, _, number) in zip(rows, origins, strict=True)],
        "closed_noise": np.flatnonzero(manifest.label_corrupted & ~manifest.open_set).tolist(),
    }
    return json.dumps(content).encode()


def table(manifest: Manifest) -> bytes:
    """A CSV with a header row and a row per sample, in the manifest's order; lines end in LF.

    Returns:
        UTF-8 text with :data:`CSV_COLUMNS`; labels are class numbers, kinds are ``none`` where there is none.
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
    """The realised transition matrix, [K, K], row i: P(given label | clean label i).

    A class without a sample keeps its label, so that every row sums to one.
    """
    counts = label_counts(manifest)
    np.fill_diagonal(counts, np.where(counts.sum(axis=1) == 0, 1, counts.diagonal()))
    return counts / counts.sum(axis=1, keepdims=True)


def matrix(manifest: Manifest) -> bytes:
    """:func:`noise_matrix` as CSV, for ``matrix:file=FILE`` and ``numpy.loadtxt(path, delimiter=",")``."""
    return _matrix_text(manifest, noise_matrix(manifest), "row i, column j: P(given j | clean i)")


def cleanlab(manifest: Manifest) -> bytes:
    """The same as cleanlab has its ``noise_matrix``: columns are the true classes and sum to one.

    For ``matrix:file=FILE:orientation=cleanlab`` too.
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
"""What ``memgate corrupt export`` writes; each raises NoiseError where it cannot hold the manifest."""


def left_out(manifest: Manifest, name: str) -> str:
    """What the format ``name`` cannot say of this manifest, as a sentence; empty where nothing is lost.

    (A matrix says nothing of single samples, and nobody expects it to.)
    """
    images = {
        "dividemix": manifest.image_corrupted,
        "evidentialmix": manifest.image_corrupted & ~manifest.open_set,
    }
    count = int(images[name].sum()) if name in images else 0
    if not count:
        return ""
    return (
        f"the {name} format cannot say what was done to {count} images, so that whoever reads it trains on clean "
        "ones: csv names the operation, and the manifest makes the images again."
    )


def format_of(file: ReadFile) -> str:
    """Which of the formats that list samples a file has: ``dividemix``, ``evidentialmix`` or ``csv``.

    By the rule of the kind ``label-list``: a table is known by its name's ending, JSON by what it holds.

    Raises:
        NoiseError: it is neither a table nor JSON.
    """
    if file.path.suffix.lower() == ".csv":
        return "csv"
    return "evidentialmix" if isinstance(file.json(), dict) else "dividemix"


def corrupted_images(file: ReadFile) -> int:
    """How many rows of a CSV that :func:`table` wrote name an image operation; none in a CSV without the column."""
    lines = csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline=""))
    return sum(line.get("image_kind") not in (None, "", "none") for line in lines)


def _check_whole(manifest: Manifest, tool: str) -> None:
    """NoiseError unless row i of the manifest is sample i, as a list without ids must have it."""
    require(
        bool(np.array_equal(manifest.sample_id, np.arange(manifest.header.count))),
        f"{tool}'s file lists every row of the official file in its order, and this manifest holds "
        f"{manifest.header.count} samples with ids up to {manifest.sample_id.max()}: write it without a limit or a "
        "validation split, or export it as csv.",
    )


def _matrix_text(manifest: Manifest, values: NDArray[np.float64], orientation: str) -> bytes:
    """A comment that says what it is, and a line per row; every number reads back to the same float."""
    header = manifest.header
    # As JSON the names are ASCII on one line, whatever they hold: readers differ in the encoding they assume.
    comment = (
        f"# {json.dumps(header.dataset)}, seed {header.seed}; {orientation}; {json.dumps(header.class_names)}"
    )
    lines = [comment, *(",".join(map(repr, row)) for row in values.tolist())]
    return ("\n".join(lines) + "\n").encode()
