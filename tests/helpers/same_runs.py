"""Comparison of two runs bit by bit: log, checkpoints and metrics."""

import numpy as np
import torch

from memgate.log.format import FLAGS, PER_GATE


def logged(run):
    """(split, quantity, gate) to the logged epochs and values."""
    log = run.sample_log()
    columns = {}
    for split in log.splits:
        for name in (*log.layout().names(), *FLAGS):
            if name == "flags" or (not log.gates and name in PER_GATE):
                continue
            for gate in log.gates if name in PER_GATE else [None]:
                epochs, values = log.values(split, name, gate)
                columns[split, name, gate] = (epochs.tolist(), values)
    return columns


def flat(content, path=()):
    """Path to leaf, for every leaf of a nested checkpoint."""
    if isinstance(content, dict | list):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        return {key: leaf for name, value in items for key, leaf in flat(value, (*path, name)).items()}
    return {path: content}


def assert_same_run(one, two):
    """Compare everything but the seconds of metrics.csv."""
    first, second = logged(one), logged(two)
    assert first.keys() == second.keys()
    for key, (epochs, values) in first.items():
        assert epochs == second[key][0], key
        np.testing.assert_array_equal(values, second[key][1], err_msg=str(key))
    folders = [run.path / "checkpoints" for run in (one, two)]
    names = [sorted(path.name for path in folder.iterdir()) for folder in folders]
    assert names[0] == names[1]
    for name in names[0]:
        first, second = (flat(torch.load(folder / name, weights_only=True)) for folder in folders)
        assert first.keys() == second.keys()
        for key, value in first.items():
            same = (
                torch.equal(value, second[key]) if isinstance(value, torch.Tensor) else value == second[key]
            )
            assert same, (name, key)
    assert one.gate_vector_epochs == two.gate_vector_epochs
    for epoch in one.gate_vector_epochs:
        mine, other = one.gate_vectors(epoch), two.gate_vectors(epoch)
        for split in mine.splits:
            np.testing.assert_array_equal(mine.patterns(split), other.patterns(split))
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in run.metrics()] for run in (one, two)]
    np.testing.assert_equal(rows[0], rows[1])
