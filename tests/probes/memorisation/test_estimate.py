"""Estimates of a group from signals in memory: planted truth over the epochs, parts, and the functions of arrays."""

import numpy as np
import pytest

import probes.memorisation.estimate as estimate
from memgate.data import subset_masks
from memgate.errors import MemgateError
from memgate.log.format import Samples
from probes.memorisation.attacks import vulnerability
from probes.memorisation.config import MemorisationConfig
from probes.memorisation.lira import lira
from probes.memorisation.rmia import rmia
from probes.memorisation.run import estimates
from probes.memorisation.scores import memorisation_scores
from probes.memorisation.signals import phi_of
from probes.memorisation.source import from_arrays
from probes.memorisation.stored import read_result, save_result
from probes.memorisation.table import mean_mem, reliability_of, to_terminal, units

N, M, EPOCHS = 120, 40, 3
WRONG, TWINS = np.arange(20), np.arange(20, 40)
"""Samples with a wrong label of their own; pairs of equal pictures with the same wrong label."""


def planted(models=32, fraction=0.5, seed=0):
    """A group whose models learn clean samples in the first epoch and fit wrong labels in the last two."""
    rng = np.random.default_rng(seed)
    mask = subset_masks.members(np.arange(N), models, fraction, 0)
    helped = mask.copy()
    helped[:, TWINS] |= mask[:, TWINS ^ 1]  # the twin of sample i is sample i ^ 1
    late = np.array([0, 0.8, 1])[:, None]
    level = np.broadcast_to(np.array([0.5, 2.5, 3])[:, None], (models, EPOCHS, N)).copy()
    level[:, 0] += 1.0 * mask  # in the first epoch a seen sample is ahead
    for of in (WRONG, TWINS):
        level[:, :, of] = -3 + 6 * late * helped[:, None, of]
    phi = level + rng.normal(0, 1, level.shape)
    labels = rng.integers(0, 10, N)
    clean = labels.copy()
    clean[: len(WRONG) + len(TWINS)] = (labels[: len(WRONG) + len(TWINS)] + 1) % 10
    none = np.zeros(N, np.int16)
    samples = Samples(
        np.arange(1000, 1000 + N), labels, clean, (labels != clean).astype(np.int16), none, none
    )
    test_phi = rng.normal(2, 1, (models, EPOCHS, M))
    # The first test sample is right only by a training sample with a wrong label.
    test_phi[:, -1, 0] = np.where(mask[:, 3], 3, -3)
    test = (expit(test_phi), test_phi > 0, Samples.clean(np.arange(M), rng.integers(0, 10, M)))
    return from_arrays(mask, expit(phi), phi > 0, samples, phi=phi, test=test, fraction=fraction)


def masks(source) -> np.ndarray:
    members = source.signals["train"].members
    assert members is not None
    return members


def expit(phi):
    return 1 / (1 + np.exp(-phi))


def test_planted_memorisation_comes_back_over_the_epochs():
    result = estimates(planted(64))
    curves = {group: [mean_mem(result, group, row) for row in range(EPOCHS)] for group in result.groups}
    assert set(curves) == {"all", "clean", "corrupted", "label"}
    clean = [point.value or 0 for point in curves["clean"]]
    assert clean[0] > 0.1 > 3 * abs(clean[2])
    mem = result.values["mem"][-1]
    assert mem[WRONG].min() > 0.8
    assert mem[TWINS] == pytest.approx(0.5, abs=0.25)
    assert np.abs(mem[40:]).max() < 0.2
    assert (result.values["mem_low"][-1, WRONG] > 0.5).all()
    assert result.values["mem"][0, WRONG] == pytest.approx(0, abs=0.15)
    low, high = curves["label"][-1].low or 0, curves["label"][-1].high or 0
    assert low < (0.997 * 20 + np.mean(mem[TWINS]) * 20) / 40 < high
    assert high - low < 0.1
    for reliability in (reliability_of(result), reliability_of(result, "mem_p")):
        assert 0.7 < (reliability.low or 0) < (reliability.value or 0) < 1
    gap = result.vulnerability["lira"]["gap"][-1]
    assert gap[WRONG].min() > gap[40:].max()
    assert result.vulnerability["rmia"]["share"][-1, WRONG].min() > 0.9


def test_influence_names_the_twins_and_who_carries_a_test_sample():
    result = estimates(planted(64), MemorisationConfig(influence=0.6, memorised=0))
    train, test = result.influence["train"], result.influence["test"]
    twins = {(1000 + i, 1000 + (i ^ 1)) for i in TWINS.tolist()}
    pairs = list(zip(train.source.tolist(), train.target.tolist(), strict=True))
    assert set(pairs[: len(twins)]) == twins
    assert (test.source.tolist(), test.target.tolist()) == ([1003], [0])
    assert estimates(planted(8), MemorisationConfig(pairs=0)).influence == {}


@pytest.mark.parametrize("fraction", [0.5, 0.3])
def test_the_stream_equals_the_functions_of_arrays(fraction, monkeypatch):
    source = planted(20, fraction)
    monkeypatch.setattr(estimate, "PART", 7 * EPOCHS)
    result = estimates(source, MemorisationConfig(attacks="all"))
    mask, signals = masks(source), source.signals["train"]
    scores = memorisation_scores(mask, signals.right, fraction)
    assert result.values["mem"] == pytest.approx(scores.mem.astype(np.float32))
    assert result.values["mem_halves"] == pytest.approx(scores.halves.astype(np.float32))
    assert result.values["right_out_high"] == pytest.approx(
        scores.share_interval(False)[1].astype(np.float32)
    )
    assert result.groups["label"][0, :, 1].mean() == pytest.approx(scores.mem[1, :40].mean())
    assert result.attack_epochs.tolist() == [1, 2, 3]
    p_test = source.signals["test"].p_given
    for row in (0, 2):
        for name, score in (
            ("lira", lira(mask, signals.phi[:, row], fraction)),
            ("lira_sample", lira(mask, signals.phi[:, row], fraction, "sample")),
            ("rmia", rmia(mask, signals.p_given[:, row], p_test[:, row], fraction)),
        ):
            expected = vulnerability(mask, score, fraction)
            for key, values in result.vulnerability[name].items():
                assert values[row] == pytest.approx(getattr(expected, key), rel=1e-4, abs=1e-4)


def test_missing_epochs_and_samples_stay_missing():
    source = planted(8)
    p_given = source.signals["train"].p_given
    p_given[5, 2, 50] = np.nan
    p_given[:, :, 51] = np.nan
    again = from_arrays(masks(source), p_given, p_given > 0.5, source.splits["train"], phi=phi_of(p_given))
    result = estimates(again)
    assert result.values["blocks"][:, [49, 50, 51]].tolist() == [[4, 4, 0], [4, 4, 0], [4, 3, 0]]
    assert np.isnan(result.values["mem"][:, 51]).all()
    assert not np.isnan(np.delete(result.values["mem"], 51, axis=1)).any()
    assert set(result.figures) == {"lira", "lira_sample"}  # RMIA needs samples that no model was trained on
    assert not {1050, 1051} & set(result.influence["train"].source.tolist())
    assert "RMIA" not in to_terminal(result)


def test_other_fractions_give_the_c_score():
    source, other = planted(20), planted(20, 0.3, seed=1)
    result = estimates(source, MemorisationConfig(pairs=0), [other])
    assert result.fractions.tolist() == [0.3, 0.5]
    expected = memorisation_scores(masks(other), other.signals["train"].right, 0.3).mean_out.astype(
        np.float32
    )
    assert result.consistency[0] == pytest.approx(expected)
    assert "C-score (mean P_out over the fractions 0.3, 0.5)" in to_terminal(result)
    other.splits["train"].sample_id[:] += 1
    with pytest.raises(MemgateError, match="with a fraction of 0.3 have other samples than those of 0.5"):
        estimates(source, MemorisationConfig(pairs=0), [other])


def test_a_result_is_stored_and_read_whole(tmp_path):
    result = estimates(planted(8), MemorisationConfig(attacks="all"), facts={"group": "mine", "logs": "ab"})
    path = tmp_path / "mine.memorisation.h5"
    save_result(result, path)
    again = read_result(path)
    assert to_terminal(again) == to_terminal(result)
    assert units(again).startswith("mem: share of models")
    for name, value in vars(result).items():
        np.testing.assert_equal(plain(getattr(again, name)), plain(value))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(MemgateError, match="is damaged .* remove it, and estimate again"):
        read_result(path)
    with pytest.raises(MemgateError, match="cannot be written"):
        save_result(result, tmp_path / "none" / "mine.memorisation.h5")
    with pytest.raises(MemgateError, match="does not exist: estimate again"):
        read_result(tmp_path / "other.memorisation.h5")


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return vars(value) if hasattr(value, "__dict__") else value


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"influence": 0}, "--influence 0 is no threshold: above 0 and up to 1"),
        ({"memorised": 2}, "--memorised 2.0 is out of range"),
        ({"pairs": -1}, "--pairs -1 is out of range"),
        ({"attacks": "first"}, "attacks"),
    ],
)
def test_settings_out_of_range_are_refused(settings, sentence):
    with pytest.raises(MemgateError, match=sentence):
        MemorisationConfig(**settings)
