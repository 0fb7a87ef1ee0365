"""Filter, selection, focus, and the sentences: pure functions."""

import numpy as np
import pytest

from app.dashboard import sentences
from app.dashboard.view import selection
from app.dashboard.view.selection import Box
from probes.samples.cohorts import Cohort

EPOCHS = np.array([5, 10, 15, 20], np.int32)
GATE = np.array(
    [[0.1, 0.6, np.nan, 0.9], [0.2, 0.7, 0.8, 0.4], [0.3, 0.2, 0.8, 0.5], [0.9, 0.1, 0.8, np.nan]], np.float32
)


def test_choose_prefers_the_url_then_the_session_then_the_first() -> None:
    assert selection.choose("b", "a", ["a", "b"], "run") == ("b", "")
    assert selection.choose(None, "b", ["a", "b"], "run") == ("b", "")
    assert selection.choose(None, "gone", ["a", "b"], "run") == ("a", "")
    assert selection.choose(None, None, [], "run") == (None, "")


def test_choose_says_what_there_is_instead() -> None:
    value, sentence = selection.choose("../../etc", "a", ["a", "b"], "run")
    assert value is None
    assert sentence == "There is no run '../../etc' here: there is a, b."


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("0042", 42), ("999999", 999999)])
def test_parse_id_reads_numbers(text: str, value: int) -> None:
    assert selection.parse_id(text) == value


@pytest.mark.parametrize("text", ["", "-1", "1.5", "abc", "1e3", "٣", "99999999999999999999", "1 "])
def test_parse_id_refuses_the_rest(text: str) -> None:
    assert selection.parse_id(text) is None


def test_boxes_of_reads_ranges_in_any_direction() -> None:
    event = {
        "selection": {"points": [], "box": [{"xref": "x", "x": [9.6, 4.2], "y": [0.9, 0.5]}], "lasso": []}
    }
    assert selection.boxes_of(event) == [Box(4.2, 9.6, 0.5, 0.9)]


@pytest.mark.parametrize(
    "event", [None, {}, {"selection": {}}, {"selection": {"box": []}}, {"selection": {"box": [{"x": [1]}]}}]
)
def test_boxes_of_nothing_is_nothing(event: object) -> None:
    assert selection.boxes_of(event) == []


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(5, 20, [5, 10, 15, 20]), (8, 14, [10, 15]), (11, 12, [10]), (-3, 1, [5]), (17.6, 99, [20])],
)
def test_a_box_means_the_cells_it_touches(first: float, last: float, expected: list[int]) -> None:
    assert EPOCHS[selection.epochs_inside(Box(first, last, 0, 1), EPOCHS)].tolist() == expected


def test_inside_any_and_every() -> None:
    box = Box(10, 20, 0.5, 1)
    assert selection.gate_in_boxes([box], EPOCHS, GATE, "any").tolist() == [True, True, True, True]
    assert selection.gate_in_boxes([box], EPOCHS, GATE, "every").tolist() == [False, False, True, False]


def test_unseen_is_in_no_box_and_no_reason_against_every() -> None:
    gate = np.array([[np.nan, np.nan], [0.8, np.nan]], np.float32)
    epochs = np.array([1, 2])
    assert selection.gate_in_boxes([Box(1, 2, 0, 1)], epochs, gate, "every").tolist() == [True, False]
    assert selection.gate_in_boxes([Box(1, 2, 0, 1)], epochs, gate, "any").tolist() == [True, False]


def test_several_boxes_are_joined() -> None:
    boxes = [Box(5, 5, 0.85, 1), Box(20, 20, 0.85, 1)]
    assert selection.gate_in_boxes(boxes, EPOCHS, GATE, "any").tolist() == [True, False, False, True]


def test_describe() -> None:
    assert selection.describe([Box(8, 14, 0.5, 1)], EPOCHS, "any") == (
        "g in [0.50, 1.00] at any of the epochs 10 to 15"
    )
    assert selection.describe([Box(20, 20, 0, 0.25)], EPOCHS, "every") == "g in [0.00, 0.25] at epoch 20"


def test_neighbours_step_through_ids_and_from_between_them() -> None:
    ids = [3, 10, 700]
    assert selection.neighbours(ids, 10) == (3, 700)
    assert selection.neighbours(ids, 3) == (None, 10)
    assert selection.neighbours(ids, 11) == (10, 700)
    assert selection.neighbours(ids, 999) == (700, None)
    assert selection.neighbours([], 1) == (None, None)


def test_a_selection_belongs_to_its_run_and_split() -> None:
    chosen = selection.selection_of("a", "train", [2, 1, 2], "by hand")
    assert chosen.ids.tolist() == [1, 2]
    assert chosen.of("a", "train") is chosen
    assert chosen.of("b", "train") is None
    assert chosen.of("a", "test") is None


def test_text_of_others_stays_text() -> None:
    shown = sentences.escaped("![x](http://evil.example/a.png) <b> :red[hi] $x$")
    assert shown == r"\!\[x\]\(http\://evil\.example/a\.png\) \<b\> \:red\[hi\] \$x\$"


def test_verdicts() -> None:
    assert sentences.corruption("label", "dog", "cat", "symmetric", "none") == (
        "Corrupted: its label was changed from cat to dog (symmetric)."
    )
    assert "drew its own label again" in sentences.corruption("clean", "cat", "cat", "symmetric", "none")
    given, clean = np.array([False, True, True]), np.array([True, False, False])
    epochs = np.array([1, 3, 5])
    assert sentences.fit("label", given, clean, epochs) == (
        "It was first predicted as its given label at epoch 3, and is fitted at epoch 5: memorised."
    )
    assert sentences.fit("label", clean, given, epochs).endswith("predicts its clean label instead.")
    assert (
        sentences.fit("clean", given[:0], clean[:0], epochs[:0])
        == "It has no prediction in any logged epoch yet: not seen, or NaN."
    )
    assert (
        sentences.routing("b3", np.array([True, False]))
        == "B3: routed in 1 of 2 epochs, skipped in the last."
    )


def test_the_key_of_a_selection_says_who_is_in_it() -> None:
    one = selection.selection_of("a", "train", [3, 1], "by hand")
    assert one.key == selection.selection_of("a", "train", [1, 3, 3], "by hand").key
    others = [
        ("b", "train", [3, 1], "by hand"),
        ("a", "test", [3, 1], "by hand"),
        ("a", "train", [3], "by hand"),
    ]
    assert len({one.key, *(selection.selection_of(*other).key for other in others)}) == 4
    assert one.key.startswith("~")
    assert selection.from_cohort("a", Cohort("late", "train", (1, 3), "")).key == "late"


@pytest.mark.parametrize(
    ("text", "found"),
    [("all", ()), ("3", (3,)), ("5,3,3", (3, 5)), ("10", None), ("a", None), ("", None), ("3,", None)],
)
def test_classes_of_the_url(text: str, found: tuple[int, ...] | None) -> None:
    assert selection.parse_classes(text, 10) == found
