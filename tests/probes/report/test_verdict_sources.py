"""memgate report GROUP --against memorisation --control: two groups of made runs; what is refused."""

import json

import numpy as np
import pytest

from app.cli.commands.probe.memorisation import ProbeMemorisation
from memgate.config.json_form import to_json
from memgate.config.run import RunConfig
from memgate.errors import MemgateError
from memgate.runs.json_files import write_json
from memgate.sweeps.grid import Sweep, SweepRun, sweep_path
from memgate.sweeps.subsets import FRACTION, MODEL
from probes.report.verdict_sources import open_pair, probe_pair, verdict
from probes.result import ProbeResult, save_results
from probes.routing import run as routing_run
from probes.routing.routes import PROBE, VARIANT
from probes.routing.several import whole_result


@pytest.fixture
def group(make_run, tmp_path):
    """Function that makes a group of made runs; returns its runs."""

    def make(name, models=4, **fields):
        plan = {"n": 60, "epochs": 2, "test_n": 20, "data_seed": 0} | fields
        runs = [make_run(name=f"{name}{k}", seed=k, subset=k, **plan) for k in range(models)]
        points = ({FRACTION: "0.5", MODEL: str(k)} for k in range(models))
        planned = tuple(
            SweepRun(run.name, point, k) for k, (run, point) in enumerate(zip(runs, points, strict=True))
        )
        write_json(
            sweep_path(tmp_path / "runs", name),
            to_json(Sweep(name, "quickstart", RunConfig(name=name), planned)),
        )
        return runs

    return make


def fake_probe(run, plan, batch_size=None, control=None):
    """A stored result of a run by its last epoch: without B3 the gated networks lose what they were trained on."""
    log = run.sample_log()
    assert (tuple(plan.splits), plan.n) == (("train",), 0)
    values = {name: log.values("train", name)[1][-1] for name in ("correct_given", "p_given", "trained")}
    gated = bool(run.config.model.gate_names)
    skip = values["correct_given"] & ~(gated & values["trained"])
    routes = ("learned", "skip", "through") if gated else ("learned", "skip")
    fits = {"learned": values["correct_given"], "skip": skip, "through": values["correct_given"]}
    columns = {
        "fits_given": np.stack([fits[route] for route in routes]),
        "p_given": np.stack([values["p_given"]] * len(routes)),
    }
    order = np.random.default_rng(0).permutation(len(skip))  # results are joined by id
    result = ProbeResult(
        PROBE, "train", 2, VARIANT, "last", log.samples("train").sample_id[order],
        {name: column[:, order] for name, column in columns.items()}, {"routes": routes, "classes": 10},
    )  # fmt: skip
    yield from save_results(run, PROBE, [result])


@pytest.mark.slow
def test_the_pass_goes_on_where_it_was_stopped_and_the_report_reads_what_it_stored(
    group, tmp_path, monkeypatch, capsys, printed
):
    group("mine")
    plain = group("plain", gates=())
    out = tmp_path / "runs"
    pair = open_pair("mine", str(out / "plain"), out)
    unmeasured = verdict(pair)
    assert unmeasured.gone == ()
    assert "0 of 4 models of mine and 0 of 4 of plain have routes" in unmeasured.conclusion

    probed = []

    def stopped(run, *rest):
        if len(probed) == 6:
            raise KeyboardInterrupt
        probed.append(run.name)
        return fake_probe(run, *rest)

    monkeypatch.setattr(routing_run, "probe_run", stopped)
    with pytest.raises(SystemExit) as end:
        ProbeMemorisation("mine", out, control="plain").run()
    assert end.value.code == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert [whole_result(run, 2) is not None for run in plain] == [True, True, False, False]
    probed = probed[:0]
    probe_pair(pair)
    assert probed == ["plain2", "plain3"]
    assert "[3/4] routes of plain2" in capsys.readouterr().out

    stored = json.loads(
        printed(
            "report",
            out / "mine",
            "--against",
            "memorisation",
            "--control",
            out / "plain",
            "--format",
            "json",
        )
    )
    gone = {row["group"]: row for row in stored["gone"] if row["outcome"] == "right"}
    assert set(gone) >= {"all", "clean", "corrupted"}
    skipped = next(
        row for row in stored["along"]
        if (row["network"], row["route"], row["group"], row["outcome"]) == ("gated", "skip", "all", "right")
    )  # fmt: skip
    assert skipped["p_in"]["value"] == 0
    assert {row["quantity"] for row in stored["correlations"]} == {"g", "H", "routed"}
    last = [
        row
        for row in stored["compared"]
        if (row["epoch"], row["group"], row["outcome"]) == (2, "all", "right")
    ]
    learned = [
        row["mem"]["value"] for row in stored["along"] if row["route"] == "learned" and row["group"] == "all"
    ]
    assert last[0]["gated"]["value"] == pytest.approx(learned[0])


@pytest.mark.slow
def test_a_real_group_from_the_command_line(tmp_path, printed):
    out = tmp_path / "runs"
    for name, model in (("mine", "entropy-gate"), ("plain", "resnet")):
        printed(
            "subsets", "quickstart", "--models", "4", "--name", name, "--out", out, "--model.name", model,
            "--model.depth", "14", "--model.width", "0.25", "--data.image-size", "8", "--device", "cpu",
            "--train.epochs", "1", "--data.train-limit", "60", "--data.test-limit", "20",
        )  # fmt: skip
    text = printed("probe", "memorisation", "mine", "--out", out, "--control", "plain", "--pairs", "0")
    assert "[4/4] routes of plain" in text
    made = text[
        text.index("mine (gated) and plain (ungated): memorisation of 60 training samples at epoch 1") :
    ]
    report = verdict(open_pair("mine", "plain", out))
    assert made.startswith(report.text())
    for row in report.along:
        if row.route == "learned":
            pairs = [
                each for each in report.compared if (each.outcome, each.group) == (row.outcome, row.group)
            ]
            assert row.mem.value == pytest.approx(getattr(pairs[0], row.network).value, abs=1e-4)


@pytest.mark.slow
def test_the_models_of_both_that_are_complete_are_compared(group, tmp_path):
    group("mine", 6)
    plain = group("plain", 6, gates=())
    plain[1].set_status("stopped", 1)
    report = verdict(open_pair("mine", "plain", tmp_path / "runs"))
    assert report.models == 4
    assert any("2 models are not complete" in note for note in report.notes)
    row = next(row for row in report.compared if (row.group, row.epoch, row.outcome) == ("all", 2, "right"))
    assert row.difference.value == pytest.approx((row.gated.value or 0) - (row.ungated.value or 0))
    plain[3].set_status("stopped", 1)
    with pytest.raises(MemgateError, match="plain has 4 of 6 models"):
        open_pair("mine", "plain", tmp_path / "runs")


@pytest.mark.slow
def test_what_is_no_control_is_refused_in_a_sentence(group, tmp_path):
    group("mine")
    out = tmp_path / "runs"
    with pytest.raises(MemgateError, match=r"--control mine has gates: give an ungated"):
        open_pair("mine", "mine", out)
    group("other", gates=(), subset_seed=1)
    with pytest.raises(MemgateError, match=r"^other has no gates: it is a control itself"):
        open_pair("other", "other", out)
    with pytest.raises(
        MemgateError, match=r"other subsets than mine \(--subset.seed 1, not 0\): train one by the"
    ):
        open_pair("mine", "other", out)
    with pytest.raises(
        MemgateError, match=r"--fraction 0.7 is no fraction of both mine and other: they have 0.5"
    ):
        open_pair("mine", "other", out, 0.7)
    group("noisy", gates=(), noise=("symmetric:0.5",))
    with pytest.raises(MemgateError, match="--control noisy has other given labels than mine: train one"):
        open_pair("mine", "noisy", out)
    group("short", gates=(), epochs=3)
    with pytest.raises(
        MemgateError, match="mine ends at epoch 2, and --control short at epoch 3|train.epochs"
    ):
        open_pair("mine", "short", out)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("report", "a", "--control", "b"), "--control b belongs to --against memorisation"),
        (("report", "a", "--against", "memorisation", "--control", "b", "--over-epochs"), "about the league of"),
        (("report", "a", "--against", "memorisation", "--control", "b"), "There is no sweep a under runs"),
        (("probe", "memorisation", "a", "--control", "b"), "There is no sweep a under runs"),
    ],
)  # fmt: skip
def test_what_is_mistyped_is_a_sentence(one_sentence, arguments, sentence):
    assert sentence in one_sentence(*arguments)
