"""Runs that version 0.1.0 made stay readable: reported, scored, exported to the same values, shown and resumed."""

import json
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memgate.runs.run import Run

pytestmark = pytest.mark.shared


@pytest.fixture
def former(shared: Path, tmp_path: Path) -> Path:
    """A folder with the runs ``old`` (complete), ``half`` (7 of 40 epochs), and what 0.1.0 made of ``old``."""
    with tarfile.open(shared / "reference" / "run_0.1.0.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


MIXTURE = "loss_gmm"
"""Begin of the names of the loss mixture's values: it is fitted from several starts since, and finds a better fit."""

NEW = ("loss_iqr",)
"""Scores that are there since; all other columns are what they were."""


@pytest.mark.slow
def test_the_export_has_the_same_values(former: Path, exit_code: Callable[..., int]) -> None:
    out = former / "again.csv"
    assert exit_code("export", former / "runs" / "old", "--shape", "summary", "--out", out) == 0
    now, then = (
        list(zip(*(line.split(",") for line in path.read_text().splitlines()), strict=True))
        for path in (out, former / "old_summary.csv")
    )
    now = [column for column in now if column[0] not in NEW]
    assert [column[0] for column in now] == [column[0] for column in then]
    differ = [column[0] for column, before in zip(now, then, strict=True) if column != before]
    assert differ == ["loss_gmm_mean", "loss_gmm_last"]


@pytest.mark.slow
def test_the_report_has_the_same_numbers(
    former: Path, exit_code: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("report", former / "runs" / "old", "--format", "json") == 0
    now, then = json.loads(capsys.readouterr().out), json.loads((former / "old_report.json").read_text())
    assert (now.pop("mode"), then.pop("mode")) == ("eval", "sweep")  # the mode's name has changed since
    assert now.pop("notes")  # sentences have changed, too
    assert then.pop("notes")
    assert without_intervals(now) == without_intervals(then)


def without_intervals(value: Any) -> Any:
    """A report without the ends of its intervals, which are computed in other ways since, and some scores."""
    if isinstance(value, list):
        scores = [str(entry.get("score")) if isinstance(entry, dict) else "" for entry in value]
        return [
            without_intervals(entry)
            for entry, score in zip(value, scores, strict=True)
            if MIXTURE not in score and score not in NEW
        ]
    if isinstance(value, dict):
        return {
            name: without_intervals(entry) for name, entry in value.items() if name not in ("low", "high")
        }
    return value


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["score"], ["probe", "show"], ["report", "--over-epochs", "--bootstrap", "5"]]
)
def test_every_reader_reads_it(
    former: Path, exit_code: Callable[..., int], command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name, *flags = command if command[0] != "probe" else [" ".join(command)]
    assert exit_code(*name.split(), former / "runs" / "old", *flags) == 0
    assert "old: " in capsys.readouterr().out


@pytest.mark.slow
def test_probe_results_under_a_former_name_are_read_and_added_to(former: Path) -> None:
    from probes.result import load_results, probe_path, save_results

    run = Run(former / "runs" / "old")
    results = load_results(run, "csr")
    (former / "runs" / "old" / "probes" / "inside.h5").write_bytes(probe_path(run, "csr").read_bytes())
    assert probe_path(run, "difficulty").name == "inside.h5"
    assert len(load_results(run, "difficulty")) == len(results)
    save_results(run, "difficulty", [])
    assert not (former / "runs" / "old" / "probes" / "difficulty.h5").exists()


@pytest.mark.slow
def test_an_unfinished_run_is_resumed(
    former: Path, exit_code: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(former / "runs" / "half")
    before = run.sample_log().values("train", "loss")
    assert before[0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    append = Run.append_metrics

    def stopped_after_9(run: Run, row: dict[str, float]) -> None:
        append(run, row)
        if row["epoch"] == 9:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Run, "append_metrics", stopped_after_9)
    assert exit_code("resume", run.path) == 143
    epochs, losses = Run(run.path).sample_log().values("train", "loss")
    assert epochs.tolist() == list(range(1, 10))
    np.testing.assert_array_equal(losses[:7], before[1])
    assert Run(run.path).status().state == "stopped"
