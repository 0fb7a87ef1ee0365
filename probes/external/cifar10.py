"""Readers of published files of people's labels of CIFAR-10: CIFAR-10N and CIFAR-10H.

None of the files is included in this package; the user downloads them.

- ``cifar10n``: share of the three annotators of CIFAR-10N (Wei et al. 2022, arXiv 2110.12088) who did not choose the
  clean class; the official ``CIFAR-10_human.pt``, or an npz with its columns. High is harder.
- ``cifar10h``: entropy of the votes on CIFAR-10's test images (Peterson et al. 2019, arXiv 1908.07086), in nats; an
  npz with ``counts`` [10000, 10], or the official npy file of counts or probabilities. High is harder.
"""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import entropy

from memgate.errors import MemgateError, require
from noise.files.read import read_file
from noise.files.tables import TABLES, columns_of, ending
from noise.labels.human import known_columns, labels_of
from probes.external.record import External

TRAIN, TEST = 50_000, 10_000
"""Images of CIFAR-10's splits."""

DATASET = "CIFAR-10"

MAJORITY = 0.9
"""Smallest share of the test labels that must equal the majority of CIFAR-10H's votes: 99 % do in the right order,
10 % in a wrong one."""


def columns(path: Path) -> dict[str, NDArray]:
    """The columns of a table [n], numbers where all cells of a CSV column are numbers; of an npz file, its arrays.

    Raises:
        MemgateError: the ending is not that of a table.
        NoiseError: the file is missing or damaged, or has a column twice.
    """
    if ending(path) not in TABLES:
        raise MemgateError(f"{path} ends in none of {', '.join(TABLES)} (or .gz after it): name such a file.")
    file = read_file(path)
    result = columns_of(file)
    if ending(path) != ".csv":
        return result
    table = pd.read_csv(io.BytesIO(file.unpacked), index_col=False, encoding="utf-8-sig")
    return {str(name): table[name].to_numpy() for name in table.columns}


def cifar10n(path: Path) -> External:
    """Share of CIFAR-10N's annotators who disagree; raises MemgateError where the file is another one."""
    file = read_file(path)
    known = known_columns(file)
    clean, *votes = (labels_of(file, known, name) for name in ("clean", "random1", "random2", "random3"))
    require(
        all(len(column) == TRAIN for column in (clean, *votes)),
        f"{path} does not label {TRAIN} images: take CIFAR-10_human.pt, or an .npz file with the same columns.",
    )
    differing = np.mean([vote != clean for vote in votes], axis=0)
    what = "the share of 3 CIFAR-10N annotators who disagree"
    choices = {f"annotator {place}": vote for place, vote in enumerate(votes, start=1)}
    return External(
        "cifar10n",
        what,
        path.name,
        "train",
        +1,
        np.arange(TRAIN),
        differing,
        clean,
        choices=choices,
        dataset=DATASET,
    )


def cifar10h(path: Path) -> External:
    """Entropy of CIFAR-10H's votes; raises MemgateError where the file is another one."""
    votes = _votes(path)
    if votes is None or votes.shape != (TEST, 10) or votes.dtype.kind not in "iuf":
        raise MemgateError(
            f"{path} has no votes [{TEST}, 10]: take cifar10h-counts.npy, or an .npz file with an array 'counts'."
        )
    votes = votes.astype(np.float64)
    hardness = np.asarray(entropy(votes, axis=1))
    what = "the entropy of CIFAR-10H's votes in nats"
    majority = votes.argmax(axis=1).astype(np.int64)
    ids = np.arange(TEST)
    return External(
        "cifar10h",
        what,
        path.name,
        "test",
        +1,
        ids,
        hardness,
        majority,
        MAJORITY,
        votes=votes,
        dataset=DATASET,
    )


def _votes(path: Path) -> NDArray | None:
    if ending(path) != ".npy":
        return columns(path).get("counts")
    file = read_file(path)
    try:
        return np.load(io.BytesIO(file.unpacked), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise MemgateError(f"{path} is damaged or no .npy file ({error}): take the official file.") from error
