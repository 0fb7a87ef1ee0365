"""Everything that memgate writes as JSON is strict JSON."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

import noise
from noise.files.json_form import json_text

ROOT = Path(noise.__file__).parents[1]

NO_FILES = {
    "noise/files/json_form.py",  # the writer
    "noise/files/digests.py",  # hashed: a list of texts
    "memgate/config/json_form.py",  # read again at once; a value shown in a cell
    "memgate/recorder/arguments.py",  # read again at once
    "memgate/log/writer.py",  # lists of names
    "memgate/log/new_file.py",  # lists of names
    "memgate/log/gate_vector_files.py",  # names with their numbers of channels
    "memgate/log/identity.py",  # hashed
    "memgate/log/seal.py",  # texts and whole numbers, whose bytes are hashed
    "memgate/training/checkpoint.py",  # likewise
    "memgate/runs/config_file.py",  # hashed
    "memgate/runs/json_files.py",  # hashed: values as read from a file
}
"""Modules that call json.dumps for something else than a file's content, or with texts and whole numbers only."""


@pytest.mark.slow
def test_no_module_writes_json_past_the_one_writer():
    callers = set()
    for package in ("noise", "memgate", "probes", "app"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and node.attr in ("dump", "dumps", "to_json"):
                    owner = node.value.id if isinstance(node.value, ast.Name) else ""
                    if owner == "json" or node.attr == "to_json":
                        callers.add(path.relative_to(ROOT).as_posix())
    # Header.to_json is memgate's own and calls json_text.
    assert callers - {"noise/manifest/manifest.py"} <= NO_FILES


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), "null"),
        (-np.inf, "null"),
        ([1.5, (np.float32("nan"), {"a": np.inf})], '[1.5, [null, {"a": null}]]'),
        (np.array([[1, 2]]), "[[1, 2]]"),
        (np.array([0.5, np.nan]), "[0.5, null]"),
        ({np.int64(3): np.bool_(True), float("nan"): None}, '{"3": true, "nan": null}'),
        (Path("a/b"), '"a/b"'),
    ],
)
def test_values_that_json_has_no_number_for_are_null(value, text):
    assert json_text(value) == text


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="set"):
        json_text({"a": {1, 2}})


def test_text_is_that_of_json():
    assert json_text("±") == '"\\u00b1"'
    value = {"name": "grün\n", "n": [1, 2.5, None, True]}
    assert json_text(value, indent=2) == json.dumps(value, indent=2)
    assert json_text(value, ascii_only=False, sort_keys=True) == json.dumps(
        value, ensure_ascii=False, sort_keys=True
    )
