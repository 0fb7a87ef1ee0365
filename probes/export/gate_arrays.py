"""The binary gate vectors as arrays [epochs, samples, channels]: the export's shape ``gates``."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.log.gate_vectors import GateVectors
from memgate.runs.run import Run
from probes.export.samples import Chosen
from probes.export.shapes import known_name


def gate_names(run: Run, chosen: Chosen) -> list[str]:
    """Names of the gates whose vectors were kept, in the order of the forward pass."""
    return list(run.gate_vectors(int(chosen.snapshot.epochs[-1])).gates)


def unknown_vectors(run: Run, chosen: Chosen, names: Sequence[str]) -> dict[str, int]:
    """Gates of which some vector is not known, to the number of such vectors (of a sample at an epoch)."""
    unknown = dict.fromkeys(names, 0)
    for vectors in _opened(run, chosen):
        for name in names:
            unknown[name] += int((~vectors.known(chosen.snapshot.split, name, chosen.places)).sum())
    return {name: count for name, count in unknown.items() if count}


def gate_arrays(
    run: Run, chosen: Chosen, names: Sequence[str], unknown: Collection[str]
) -> Iterator[tuple[str, NDArray]]:
    """Names and arrays of the export; holds one gate at a time.

    ``sample_id`` [n] int64 (rising), ``epochs`` [E] int32, and of each gate [E, n, C] bool: whether a channel was
    open. A gate in ``unknown`` is followed by ``<gate>_known`` [E, n] bool; where that is false, so are the channels.

    Args:
        run: the run.
        chosen: samples and epochs, all of which have vectors.
        names: gates of the run.
        unknown: keys of :func:`unknown_vectors`.
    """
    split, places = chosen.snapshot.split, chosen.places
    yield "sample_id", chosen.sample_id
    yield "epochs", chosen.snapshot.epochs.astype(np.int32)
    files = list(_opened(run, chosen))
    for name in names:
        yield name, np.stack([vectors.patterns(split, name, places) for vectors in files])
        if name in unknown:
            yield known_name(name), np.stack([vectors.known(split, name, places) for vectors in files])


def first_patterns(run: Run, chosen: Chosen, names: Sequence[str]) -> pd.DataFrame:
    """A row per sample: its id, and of each gate the pattern of the last epoch as text (1: open, 0: closed)."""
    *_, vectors = _opened(run, chosen)
    columns: dict[str, list[str]] = {}
    for name in names:
        bits = vectors.patterns(chosen.snapshot.split, name, chosen.places).astype(int)
        columns[name] = ["".join(map(str, row)) for row in bits.tolist()]
    return pd.DataFrame({"sample_id": chosen.sample_id, **columns})


def _opened(run: Run, chosen: Chosen) -> Iterator[GateVectors]:
    """The files of the chosen epochs, rising."""
    return (run.gate_vectors(epoch) for epoch in chosen.snapshot.epochs.tolist())
