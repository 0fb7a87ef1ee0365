"""Cohorts on disk, and the filter that dashboard and export share."""

import json

import numpy as np
import pytest

from memgate.errors import MemgateError
from probes.samples.cohorts import Cohort, cohort_names, load_cohort, save_cohort
from probes.samples.filters import Filter, causes_to_ask

CAUSE = np.array(["clean", "label", "image", "label", "clean"])
CLASS = np.array([0, 1, 0, 2, 2])
ROUTED = np.array([True, False, True, True, False])
SEEN = np.array([True, True, True, False, True])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), [0, 1, 2, 3, 4]),
        (Filter(cause="corrupted"), [1, 2, 3]),
        (Filter(cause="label"), [1, 3]),
        (Filter(route="routed"), [0, 2]),
        (Filter(route="skipped"), [1, 4]),
        (Filter(classes=(0, 2)), [0, 2, 3, 4]),
        (Filter(cause="clean", route="skipped", classes=(2,)), [4]),
        (Filter(cause="open"), []),
    ],
)
def test_all_conditions_of_a_filter_must_hold(wanted, expected):
    assert np.flatnonzero(wanted.matching(CAUSE, CLASS, ROUTED, SEEN)).tolist() == expected


def test_causes_that_select_different_samples():
    assert causes_to_ask(CAUSE) == ["all", "clean", "corrupted", "label", "image"]
    assert causes_to_ask(np.array(["label", "clean"])) == ["all", "clean", "label"]
    assert causes_to_ask(np.array(["clean"])) == ["all"]


def test_a_saved_cohort_is_loaded_unchanged(make_run):
    run = make_run()
    save_cohort(run, Cohort("late-ones", "train", (7, 3, 3, 11), "by hand"))
    save_cohort(run, Cohort("b", "test", (1,), "by hand"))
    assert cohort_names(run) == ["b", "late-ones"]
    assert load_cohort(run, "late-ones") == Cohort("late-ones", "train", (3, 7, 11), "by hand")
    assert [path.name for path in (run.path / "cohorts").iterdir() if path.suffix != ".json"] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "../other", "a/b", ".hidden", "x" * 65, "a\nb"])
def test_an_invalid_name_is_refused(name, make_run):
    run = make_run()
    for act in (lambda: load_cohort(run, name), lambda: save_cohort(run, Cohort(name, "train", (1,), ""))):
        with pytest.raises(MemgateError, match="is no name for a cohort"):
            act()
    assert not (run.path / "cohorts").exists()


def test_errors_of_cohorts_name_the_reason(make_run):
    run = make_run()
    with pytest.raises(MemgateError, match="would be empty"):
        save_cohort(run, Cohort("none", "train", (), ""))
    with pytest.raises(MemgateError, match="has no cohort 'other': it has none yet"):
        load_cohort(run, "other")
    path = save_cohort(run, Cohort("mine", "train", (1,), ""))
    good = json.loads(path.read_text())
    for damage in ({"schema": "x"}, {"sample_ids": [1.5]}, {"sample_ids": ["1"]}, None):
        path.write_text("{" if damage is None else json.dumps({**good, **damage}))
        with pytest.raises(MemgateError, match="is damaged"):
            load_cohort(run, "mine")
