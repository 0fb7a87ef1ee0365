"""Numbers of the verdict on planted memory: what the cut takes, paired differences, correlations, groups by route."""

import numpy as np
import pytest

from probes.memorisation.scores import memorisation_scores
from probes.memorisation.verdict import (
    GATED,
    UNGATED,
    along_routes,
    compared,
    gate_correlations,
    gone_without,
    logged,
    route_groups,
    sides_of,
)
from tests.helpers.estimates import ends, holds
from tests.helpers.planted_memory import CLASSES, GROUPS, planted_blocks, planted_sides

CUT = ("learned", "skip")


def gone(gated, ungated, group="all"):
    rows = gone_without(gated, ungated, {GATED: CUT, UNGATED: CUT}, GROUPS, 1 / CLASSES)
    return next(row for row in rows if row.group == group)


def test_means_over_blocks_are_the_memorisation_scores():
    blocks = list(planted_blocks(0))
    mask = np.concatenate([block[0] for block in blocks])
    right = np.concatenate([block[1]["right", "learned"] for block in blocks])
    scores = memorisation_scores(mask, right)
    for group, rows in GROUPS.items():
        within, without = sides_of(blocks, 1, GROUPS)["right", "learned", group]
        assert (within - without).mean() == pytest.approx(scores.mem[rows].mean())
        assert within.mean() == pytest.approx(scores.mean_in[rows].mean())


def test_a_sample_without_a_value_is_left_out_of_its_block():
    members = np.array([[True, False], [False, True]])
    outcome = np.array([[1, 0], [np.nan, 1]], np.float32)
    sides = sides_of([(members, {("right", "learned"): outcome})], 1, {"all": np.ones(2, bool)})
    assert sides["right", "learned", "all"].T.tolist() == [[1, 0]]


def test_a_block_that_holds_memory_is_told_from_one_that_holds_something_of_everything():
    holds_memory, loses_some = planted_sides(1, memory_gone=0.7), planted_sides(2, damage=0.2)
    row = gone(holds_memory, loses_some)
    assert holds(row.gated, 0.7)
    assert holds(row.ungated, 0.2)
    assert ends(row.difference)[1] > 0.3
    assert ends(row.beyond)[1] > 0.3
    everything = gone(planted_sides(3, damage=0.6), loses_some)
    assert ends(everything.difference)[1] > 0.2
    assert holds(everything.gated_general, 0.6), "above chance, random predictions take the same share"
    assert holds(everything.beyond, 0)
    assert gone(holds_memory, loses_some, "corrupted").gated_general.value is None


def test_differences_are_paired_by_block():
    more, less = planted_sides(1, memorised=0.9), planted_sides(1, memorised=0.6)
    row = next(row for row in compared(more, less, GROUPS, [1]) if row.group == "corrupted")
    value, low, high = ends(row.difference)
    assert low > 0
    assert value == pytest.approx(ends(row.gated)[0] - ends(row.ungated)[0])
    pairs = [sides["right", logged(1), "corrupted"] for sides in (more, less)]
    of_blocks = (pairs[0][0] - pairs[0][1]) - (pairs[1][0] - pairs[1][1])
    assert high - low == pytest.approx(2 * 2.201 * of_blocks.std(ddof=1) / np.sqrt(12), rel=1e-3)


def test_routes_have_both_sides_and_their_change():
    rows = {
        row.route: row
        for row in along_routes(GATED, planted_sides(1, memory_gone=1.0), CUT, GROUPS)
        if row.group == "corrupted"
    }
    assert rows["learned"].change.value is None
    assert holds(rows["learned"].p_out, 0.1)
    assert holds(rows["skip"].mem, 0)
    assert ends(rows["skip"].change)[2] < -0.7


def test_gates_that_know_the_memorised_correlate_with_them():
    rng = np.random.default_rng(0)
    mem = rng.random((2, 300))
    quantities = {"g": np.stack([mem[0], rng.random(300)])[:, None], "routed": np.ones((2, 1, 300))}
    rows = gate_correlations(quantities, ["b3"], [1, 5], mem, GROUPS)
    of = {(row.quantity, row.group): row for row in rows}
    assert of["g", "clean"].epochs == (1, 5)
    assert of["g", "clean"].rho[0].value == pytest.approx(1)
    assert holds(of["g", "clean"].rho[1], 0)
    assert of["routed", "all"].rho[0].value is None


def test_groups_by_route_are_there_where_both_routes_are_taken():
    routed = np.where(np.arange(300) < 60, 1.0, 0.0)
    routed[:3] = 0.5, np.nan, 0.9
    groups = route_groups(routed, GROUPS)
    assert "clean, routed to B3" not in groups
    assert groups["corrupted, skipping B3"].sum() == 1
    assert groups["routed to B3"].sum() + groups["skipping B3"].sum() == 299
    assert set(route_groups(np.ones(300), GROUPS)) == set(GROUPS)
