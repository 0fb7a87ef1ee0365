"""The league of proxies on simulated scores of known correlation with a simulated memorisation score."""

import numpy as np
import pytest

from probes.scores.catalogue import SCORES
from probes.scores.league import WITHIN, Target, league, league_over_epochs
from probes.scores.separation import ScoreValues
from tests.helpers.estimates import ends, holds

KNOWN = {"loss_mean": 0.9, "loss_iqr": 0.6, "aum": 0.0, "variability": -0.5}
"""Score to its correlation with the true memorisation."""


def score(name, hardness, gate=None):
    return ScoreValues(name, gate, SCORES[name], hardness)


def simulated(seed, n=600, noise=0.8):
    """Scores of known correlation with a quantity, and two halves of a noisy measurement of it."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=n)
    halves = truth + noise * np.sqrt(2) * generator.normal(size=(2, n))
    scores = [
        score(name, rho * truth + np.sqrt(1 - rho**2) * generator.normal(size=n))
        for name, rho in KNOWN.items()
    ]
    return truth, Target("mem", "memorisation", halves.mean(0), halves), scores


def spearman_of_normal(pearson):
    return 6 / np.pi * np.arcsin(pearson / 2)


def by_score(standings, group, target="mem"):
    return {row.score: row for row in standings if (row.group, row.target) == (group, target)}


@pytest.mark.slow
def test_known_correlations_come_back_within_their_interval():
    hits = dict.fromkeys(KNOWN, 0)
    for seed in range(60):
        _, target, scores = simulated(seed)
        rows = by_score(league([scores], [target], {"all": np.ones(600, bool)}, np.zeros(600))[0], "all")
        assert list(rows) == list(KNOWN)
        for name, rho in KNOWN.items():
            hits[name] += holds(rows[name].corrected, spearman_of_normal(rho))
            assert abs(ends(rows[name].rho)[0]) <= abs(ends(rows[name].corrected)[0])
    assert all(count >= 52 for count in hits.values()), hits  # 95 % of 60 are 57 +- 1.7


def test_groups_classes_and_the_distance_to_the_best():
    truth, target, scores = simulated(0)
    classes = np.arange(600) % 6
    clean = truth < 0.5
    groups = {"all": np.ones(600, bool), "clean": clean, "class 2": classes == 2}
    standings, ceilings = league([scores], [target], groups, classes)
    assert {row.group for row in standings} == {*groups, WITHIN} == {row.group for row in ceilings}
    everyone, within = by_score(standings, "all"), by_score(standings, WITHIN)
    assert everyone["loss_mean"].rho.n == within["loss_mean"].rho.n == 600
    assert by_score(standings, "class 2")["loss_mean"].rho.n == 100
    best = ends(everyone["loss_mean"].rho)[0]
    assert ends(within["loss_mean"].rho)[0] == pytest.approx(best, abs=0.05)
    assert ends(by_score(standings, "clean")["loss_mean"].rho)[0] < best
    assert ends(everyone["loss_mean"].behind) == (0, 0, 0)
    second = everyone["loss_iqr"]
    assert ends(second.behind)[0] == pytest.approx(best - ends(second.rho)[0])
    assert ends(second.behind)[1] > 0


def test_without_halves_nothing_is_corrected_and_scores_without_values_are_left_out():
    _, target, scores = simulated(1)
    vulnerability = Target("lira", "LiRA", target.values)
    empty = score("el2n_mean", np.full(600, np.nan))
    standings, ceilings = league(
        [[*scores, empty]], [vulnerability], {"all": np.ones(600, bool)}, np.zeros(600)
    )
    assert {row.corrected.value for row in standings} == {None}
    assert {row.reliability.value for row in ceilings} == {None}
    assert "el2n_mean" not in {row.score for row in standings}


def test_several_runs_are_averaged_and_their_spread_widens_the_interval():
    truth, target, _ = simulated(2)
    generator = np.random.default_rng(9)
    runs = []
    for rho in (0.9, 0.2, 0.9, 0.2):
        hardness = rho * truth + np.sqrt(1 - rho**2) * generator.normal(size=600)
        trained = generator.permutation(np.arange(600) % 2 == 0)
        runs.append([score("loss_mean", np.where(trained, hardness, np.nan))])
    group = {"all": np.ones(600, bool)}
    alone = [ends(league([run], [target], group, np.zeros(600))[0][0].rho) for run in runs]
    (row, _) = league(runs, [target], group, np.zeros(600))[0]
    value, low, high = ends(row.rho)
    assert value == pytest.approx(np.mean([each[0] for each in alone]))
    assert row.rho.n == 300
    assert high - low > alone[0][2] - alone[0][1]


def test_the_best_epoch_of_a_score_that_loses_its_meaning():
    truth, target, _ = simulated(3)
    generator = np.random.default_rng(4)

    def tables():
        for epoch, rho in ((1, 0.2), (5, 0.9), (10, 0.4)):
            hardness = rho * truth + np.sqrt(1 - rho**2) * generator.normal(size=600)
            yield epoch, [[score("loss_last", hardness), score("aum", np.zeros(600))]]

    (curve,) = league_over_epochs(tables(), [target])
    assert (curve.score, curve.epochs, curve.best_epoch) == ("loss_last", (1, 5, 10), 5)
    assert curve.best.value == curve.rho[1]
    assert curve.last.value == curve.rho[-1]
