"""The layout that all documents share."""

import json

from noise.kinds import KINDS
from probes.report.corruption import kinds_table
from probes.report.document import Lines, Table, layout, table_of
from probes.report.score_list import score_list
from probes.scores.catalogue import SCORES


def test_the_parts_of_a_document_are_separated_by_an_empty_line():
    table = Table("Numbers:", ("name", "value"), (("a", "10"), ("bb", "9")), words=1)
    blocks = ["A paragraph.", Lines(["one", "two"]), Lines([]), table]
    assert layout("Title", blocks, "terminal") == (
        "Title\n\nA paragraph.\n\none\ntwo\n\nNumbers:\n\n"
        "name      value\n------  -------\na            10\nbb            9"
    )
    markdown = layout("Title", blocks, "markdown")
    assert markdown.startswith(
        "### Title\n\nA paragraph.\n\n- one\n- two\n\nNumbers:\n\n| name   |   value |"
    )
    assert layout("", [Lines(["x"])], "terminal") == "x"


def test_a_cell_that_a_row_lacks_is_empty_and_text_like_a_number_stays_text():
    table = table_of("", [{"a": "1.50"}, {"b": "2", "a": "0.10"}])
    assert (table.headers, table.rows) == (("a", "b"), (("1.50", ""), ("0.10", "2")))
    assert layout("", [table], "terminal").splitlines()[2:] == ["1.50", "0.10  2"]


def test_the_lists_of_scores_and_kinds_are_tables_for_a_page_too():
    page = score_list("markdown").splitlines()
    assert [line.split("|")[1].strip() for line in page[2:]] == list(SCORES)
    assert [row["column"] for row in json.loads(score_list("json"))] == list(SCORES)
    assert [row["kind"] for row in json.loads(kinds_table("json"))] == list(KINDS)
    rows = [line.split("|")[1].strip() for line in kinds_table("markdown").splitlines() if line[:2] == "| "]
    assert [name for name in rows if name != "kind"] == sorted(
        KINDS, key=lambda name: KINDS[name].target != "label"
    )
