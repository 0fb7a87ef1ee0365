"""The conclusion about B3 follows from the intervals: planted memory, general damage, nothing, and what is missing."""

import json

import pytest

from probes.memorisation.verdict import GATED, UNGATED, along_routes, compared, gone_without
from probes.report.verdict import verdict_report
from tests.helpers.planted_memory import CLASSES, GROUPS, planted_sides

CUT = ("learned", "skip")


def report(gated, ungated, probed=True):
    cuts = {
        "along": along_routes(GATED, gated, CUT, GROUPS) + along_routes(UNGATED, ungated, CUT, GROUPS),
        "gone": gone_without(gated, ungated, {GATED: CUT, UNGATED: CUT}, GROUPS, 1 / CLASSES),
    }
    return verdict_report(
        names=("mine", "plain"), models=24, epoch=1, samples=300, gate="B3", measured=(3, 0),
        compared=compared(gated, ungated, GROUPS, [1]), correlations=(), **(cuts if probed else {}),
    )  # fmt: skip


HOLDS = (
    "So B3 holds what is memorised, more than the same part of an ungated network does, and in particular: beyond the "
    "ungated networks the cut takes +"
)
EVERYTHING = (
    "So more of what is memorised depends on B3, but whether memorisation in particular does is not resolved"
)
UNRESOLVED = (
    "So whether B3 holds more or less of what is memorised than the same part of an ungated network is not"
)
LESS = "So B3 holds less of what is memorised than the same part of an ungated network."


@pytest.mark.parametrize(
    ("gated", "ungated", "says"),
    [
        ({"memory_gone": 0.7}, {"damage": 0.2}, HOLDS),
        ({"damage": 0.7}, {"damage": 0.2}, EVERYTHING),
        ({"damage": 0.2}, {"damage": 0.2}, UNRESOLVED),
        ({"damage": 0.1}, {"memory_gone": 0.7}, LESS),
    ],
)
def test_what_the_cut_takes_decides_the_words(gated, ungated, says):
    text = report(planted_sides(1, **gated), planted_sides(2, **ungated)).conclusion
    assert says in text
    assert sum(words in text for words in (HOLDS, EVERYTHING, UNRESOLVED, LESS)) == 1


def test_who_memorises_more_is_said_where_it_is_resolved():
    more, less = planted_sides(1), planted_sides(2, memorised=0.5)
    assert "The gated networks memorise more than" in report(more, less).conclusion
    assert "The gated networks memorise less than" in report(less, more).conclusion
    assert (
        "memorise more or less than the ungated ones is not resolved"
        in report(more, planted_sides(3)).conclusion
    )


def test_networks_that_memorise_nothing_hold_nothing():
    text = report(planted_sides(1, memorised=0.0), planted_sides(2)).conclusion
    assert (
        "In the gated networks mem is not above 0 with its whole interval, so that B3 has nothing to hold"
        in text
    )
    assert "So" not in text


def test_what_was_not_probed_is_missing_with_its_remedy():
    text = report(planted_sides(1), planted_sides(2), probed=False).conclusion
    assert "3 of 24 models of mine and 0 of 24 of plain have routes" in text
    assert text.endswith("Type memgate probe memorisation mine --control plain.")


def test_every_form_has_the_numbers():
    made = report(planted_sides(1, memory_gone=0.7), planted_sides(2))
    assert made.text().startswith(
        "mine (gated) and plain (ungated): memorisation of 300 training samples at epoch 1"
    )
    assert "Gone of P_in - P_out without B3" in made.text("markdown")
    stored = json.loads(made.text("json"))
    assert stored["schema"] == "memgate-verdict/1"
    assert {row["group"] for row in stored["gone"]} == set(GROUPS)
