"""What the report says about patterns of gates: numbers of the stored result, and nothing where there is none."""

import json

import pytest

from probes.gates.linear_results import probe_accuracies
from probes.gates.stored import gates_result
from probes.report.report import report
from probes.result import probe_path, save_results
from probes.stats.estimate import percent
from tests.helpers.gate_results import result_of, with_analyses


@pytest.mark.slow
def test_patterns_are_those_of_the_stored_result(make_run) -> None:
    run = make_run(n=200, unit_depth=8, macs=True)
    assert report(run, resamples=0).patterns is None
    save_results(run, "gates", [result_of(run, epoch=3)])
    assert report(run, resamples=0).patterns is None, "a result of a former version has no analyses"
    save_results(run, "gates", [with_analyses(run, result_of(run))])
    result = report(run, resamples=0)
    told = probe_accuracies(gates_result(run))
    assert result.patterns is not None
    assert (result.patterns.epoch, result.patterns.linear) == (4, told)
    lines = str(result).splitlines()
    place = next(row for row, line in enumerate(lines) if line.startswith("What a linear probe tells"))
    assert percent(told[0].accuracy) in lines[place + 4]
    assert "Whether a linear probe of the corruption tells a cause" in str(result)
    assert "What the nearest 10 neighbours of a sample have in common" in str(result)
    assert "linear probe" not in result.text(brief=True).partition("In brackets")[0]
    assert (
        json.loads(result.text("json"))["patterns"]["linear"][0]["accuracy"]["value"]
        == told[0].accuracy.value
    )


@pytest.mark.slow
def test_a_damaged_result_is_a_note(make_run) -> None:
    run = make_run(unit_depth=8, macs=True)
    save_results(run, "gates", [result_of(run)])
    probe_path(run, "gates").write_bytes(b"no HDF5")
    result = report(run, resamples=0)
    assert result.patterns is None
    assert any(note.startswith("Patterns of gates are left out: ") for note in result.notes)
