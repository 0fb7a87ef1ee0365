"""The list of all scores: direction, range, what they need, meaning and source."""

from memgate.console import Form
from noise.files.json_form import json_text
from probes.report.document import layout, table_of
from probes.scores.catalogue import SCORES, Score


def score_list(form: Form = "terminal") -> str:
    """The table of all scores as text, one row per score, in the order of :data:`probes.scores.catalogue.SCORES`.

    Args:
        form: plain text, GitHub's Markdown, or JSON (a list of objects).
    """
    rows = [_cells(score) for score in SCORES.values()]
    return json_text(rows, indent=2) if form == "json" else layout("", [table_of("", rows)], form)


def _cells(score: Score) -> dict[str, str]:
    return {
        "column": score.column,
        "harder": score.suspicious,
        "range": score.range,
        "needs": score.needs,
        "what it is": score.meaning,
    }
