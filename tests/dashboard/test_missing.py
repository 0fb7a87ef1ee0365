"""Pages over a run in which a network gave NaN, and over one of which no clean labels are known."""

from typing import Any

import numpy as np
import pytest

from app.dashboard import sentences
from memgate.runs.run import Run
from tests.helpers.pages import errors
from tests.helpers.recording import (
    CLEAN,
    GIVEN,
    NO_GATE,
    NO_GATE_LAST,
    NO_LOGITS,
    UNSEEN_LAST,
    N,
    record_gaps,
)

UNROUTED = {NO_GATE, NO_GATE_LAST, UNSEEN_LAST}
IMAGES = np.arange(N, dtype=np.uint8)[:, None, None] + np.zeros((N, 8, 8), np.uint8)


@pytest.fixture
def gaps(make_recorder: Any) -> Run:
    return record_gaps(make_recorder(labels=GIVEN, clean_labels=CLEAN, images=IMAGES))


def text_of(at: Any) -> str:
    """Everything that a page says in Markdown, captions and boxes, without backslashes."""
    parts = [*at.markdown, *at.caption, *at.info]
    return "\n".join(element.value for element in parts).replace("\\", "")


def test_a_sentence_names_missing_routes() -> None:
    routes = np.array([True, False])
    assert sentences.routing("b3", routes, 1).endswith("Its route is missing in 1 more (g is NaN).")
    assert sentences.routing("b3", routes[:0], 2) == "B3: its route is missing in every epoch (g is NaN)."
    assert (
        sentences.routed_through("b3", routes, 1) == "routed through B3 in 1 of 2 epochs (missing in 1 more)"
    )


def test_the_cross_table_counts_known_routes_and_says_how_many_are_missing(gaps: Run, open_page: Any) -> None:
    at = open_page("explorer", run="mine")
    assert not errors(at)
    cells = [int(button.label.split(" ")[0]) for button in at.button if str(button.key).startswith("cell_")]
    assert sum(cells) == N - len(UNROUTED)
    assert "The route of 3 samples is missing in this epoch" in text_of(at)
    routed = open_page("explorer", run="mine", route="skipped")
    assert not errors(routed)


@pytest.mark.slow
def test_a_sample_without_routes_or_predictions_says_so(gaps: Run, open_page: Any) -> None:
    text = text_of(open_page("sample", run="mine", id=str(NO_GATE)))
    assert "GATE: its route is missing in every epoch (g is NaN)." in text
    assert "skipped in the last" not in text
    text = text_of(open_page("sample", run="mine", id=str(NO_LOGITS)))
    assert "It has no prediction in any logged epoch yet: not seen, or NaN." in text


@pytest.mark.slow
@pytest.mark.parametrize("page", ["overview", "gallery", "hardness", "export", "health", "compare"])
def test_every_page_opens_over_missing_values(page: str, gaps: Run, open_page: Any) -> None:
    assert not errors(open_page(page, run="mine"))


@pytest.mark.slow
def test_without_clean_labels_no_page_calls_a_sample_clean(make_recorder: Any, open_page: Any) -> None:
    record_gaps(make_recorder(labels=GIVEN, images=IMAGES))
    at = open_page("sample", run="mine", id="1")
    assert not errors(at)
    text = text_of(at)
    assert "Unknown whether corrupted" in text
    assert "Clean" not in text.replace("Clean samples of its class", "")
    at = open_page("explorer", run="mine")
    assert not errors(at)
    assert "It is not known which samples of this run are corrupted" in text_of(at)


@pytest.mark.slow
def test_a_gallery_without_pictures_says_why(make_recorder: Any, open_page: Any) -> None:
    record_gaps(make_recorder(labels=GIVEN, clean_labels=CLEAN))
    (reason,) = errors(open_page("gallery", run="mine", preset="random"))
    assert reason == "mine was recorded without pictures: give the Recorder images= to have them shown here."


@pytest.mark.slow
@pytest.mark.parametrize("page", ["overview", "gallery", "hardness", "export", "compare", "runs"])
def test_every_page_opens_without_clean_labels(page: str, make_recorder: Any, open_page: Any) -> None:
    record_gaps(make_recorder(labels=GIVEN, images=IMAGES))
    assert not errors(open_page(page, run="mine"))
