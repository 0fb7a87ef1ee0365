"""Comparison of two runs bit by bit: log, checkpoints and metrics."""

import numpy as np
import torch


def logged(run):
    """(split, epoch) to the quantities and flags of each whole epoch."""
    log = run.sample_log()
    return {
        (split, epoch): vars(record)
        for split in log.splits
        for epoch, record in log.records(split, set(log.epochs(split).tolist()))
    }


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
    for key, values in first.items():
        for name, value in values.items():
            np.testing.assert_array_equal(value, second[key][name], err_msg=f"{key}, {name}")
    folders = [run.path / "checkpoints" for run in (one, two)]
    names = [sorted(path.name for path in folder.iterdir()) for folder in folders]
    assert names[0] == names[1]
    for name in names[0]:
        # Of the test's own making, and read twice as fast without the checks of others' files.
        first, second = (flat(torch.load(folder / name, weights_only=False)) for folder in folders)
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
