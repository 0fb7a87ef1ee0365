"""memgate reproduce: real, tiny runs on made-up images in the place of CIFAR; theirs and ours side by side."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import memgate.training.loop
from memgate.papers import scales
from memgate.papers.rows import find_rows
from memgate.runs.run import Run, list_runs, open_run
from memgate.sweeps.grid import read_sweep

ROW = "paper-1-baseline-0.01-constant"
GATED, BASELINE = f"{ROW}-tiny-text-s0", "paper-1-baseline-tiny-text-s0"


@pytest.fixture
def flags(tmp_path, monkeypatch):
    """Images in the place of CIFAR-10, and the tiny scale tinier still; the flags that name the folders."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 20), ("test", 10)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
        arrays[f"{split}_labels"] = np.arange(count, dtype=np.int64) % 10
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "cifar10.npz", **arrays)
    tiny = replace(scales.SCALES["tiny"], epochs=2, train_limit=20, test_limit=10)
    monkeypatch.setitem(scales.SCALES, "tiny", tiny)
    return ["--out", tmp_path / "runs", "--data.root", tmp_path / "data", "--device", "cpu"]


def accuracy(run: Run) -> float:
    return run.metrics()[-1]["test_accuracy"]


@pytest.mark.slow
def test_a_row_of_baseline_initialisation_trains_its_baseline_first_and_truly_loads_it(
    flags, tmp_path, monkeypatch, exit_code, capsys
):
    seeds = ["--reading", "text", "--seeds", "0,1"]
    assert exit_code("reproduce", ROW, *seeds, *flags) == 0
    text = capsys.readouterr().out
    runs = {run.name: run for run in list_runs(tmp_path / "runs")}
    assert len(runs) == 4
    gated = runs[GATED]
    assert gated.config.init_from == f"{runs[BASELINE].path.absolute()}:last"
    assert gated.environment["initialisation"]["loaded"] > 50
    assert gated.config.model.depth == 14
    assert gated.config.train.gate_lr == 0.01
    ours = [100 * accuracy(runs[name]) for name in (GATED, GATED.replace("s0", "s1"))]
    mean, sd = np.mean(ours), np.std(ours, ddof=1)
    line = next(line for line in text.splitlines() if line.startswith(ROW) and "94.01 ± 0.26" in line)
    assert f"{mean:.2f} ± {sd:.2f} (n = 2)" in line
    assert line.endswith(f"({mean - 94.012:+.2f})")  # brackets: it says nothing at this scale
    assert "entropy-gate-14, 2 epochs" in line
    assert "not comparable with the documents' numbers" in text
    assert "loaded nothing" in text
    assert "o2; ours reads o1" in text

    # Started again, nothing is trained; a further row comes into the same sweep.
    monkeypatch.setattr(memgate.training.loop, "train", lambda config: pytest.fail("trained again"))
    assert exit_code("reproduce", ROW, *seeds, *flags) == 0
    assert "steps in all" not in capsys.readouterr().out
    assert len(read_sweep(tmp_path / "runs" / "reproduce-tiny-text.sweep.json").runs) == 4


@pytest.mark.slow
def test_as_the_authors_did_it_nothing_is_loaded_and_a_failed_row_is_in_the_report(
    flags, tmp_path, exit_code, capsys
):
    assert exit_code("reproduce", "report-2.2-0.01", *flags) == 0
    (run,) = list_runs(tmp_path / "runs")
    assert run.config.init_from is None
    assert (run.config.model.layout, run.config.model.depth, run.config.model.initialisation) == (
        "imagenet", 18, "torch",
    )  # fmt: skip
    capsys.readouterr()
    report = ["reproduce", "report-2.2-*", *flags, "--only-report", "--format", "json"]
    assert exit_code(*report) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["rows"]) == 9
    assert result["rows"][0]["difference"] == pytest.approx(accuracy(run) - 0.9346)
    assert result["rows"][1]["difference"] is None
    assert result["missing"]["report-2.2-10-tiny-code-s0"] == "missing"
    assert any("rate of 0 up to epoch 82" in note for note in result["notes"])


@pytest.mark.slow
def test_rows_of_the_batch_shaping_paper_are_compared_by_their_macs_too(
    flags, tmp_path, monkeypatch, exit_code, capsys
):
    rows = "paper-bas-r20-c10-[p0]*"  # plain, and the grid of gamma
    monkeypatch.setattr("app.cli.commands.reproduce.find_rows", lambda _: [
        *find_rows("paper-bas-r20-c10-plain"), *find_rows("paper-bas-r20-c10-0.2"), *find_rows("paper-bas-1-r18"),
    ])  # fmt: skip
    assert exit_code("reproduce", rows, *flags) == 0
    text = capsys.readouterr().out
    runs = {run.name: run for run in list_runs(tmp_path / "runs")}
    assert set(runs) == {"paper-bas-r20-c10-plain-tiny-s0", "paper-bas-r20-c10-0.2-tiny-s0"}
    gated = runs["paper-bas-r20-c10-0.2-tiny-s0"]
    assert (gated.config.sparsity.l0, gated.config.model.depth, gated.config.train.nesterov) == (
        0.2,
        14,
        True,
    )
    lines = {line.split()[0]: line for line in text.splitlines() if line.startswith("paper-bas")}
    assert f"{gated.metrics()[-1]['test_macs'] / 1e6:.3f}" in lines["paper-bas-r20-c10-0.2"]
    assert "figure only, no number in the text" in lines["paper-bas-r20-c10-0.2"]
    assert "26.657" in lines["paper-bas-r20-c10-plain"]  # a ResNet-14, which every image costs
    assert "69.70 (n = 1)" in lines["paper-bas-1-r18"]
    assert "ImageNet is no data set of memgate yet: such rows have no runs." in text
    (page,) = (tmp_path / "runs").glob("*accuracy-macs.html")
    assert str(page) in text
    monkeypatch.setattr(memgate.training.loop, "train", lambda config: pytest.fail("trained again"))
    assert exit_code("reproduce", rows, *flags, "--format", "json") == 0
    first, second, third = json.loads(capsys.readouterr().out)["rows"]
    assert (first["difference"], third["difference"], third["runs"]) == (None, None, [])
    assert second["macs"]["mean"] == gated.metrics()[-1]["test_macs"]


@pytest.mark.slow
def test_json_and_markdown_stand_alone_on_standard_output(flags, exit_code, capsys):
    """What a training prints goes to standard error."""
    for form in ("json", "markdown"):
        row = {"json": "paper-1-baseline", "markdown": "paper-4-baseline"}[form]
        assert exit_code("reproduce", row, *flags, "--format", form) == 0
        printed = capsys.readouterr()
        assert "2 epochs, 2 steps in all" in printed.err
        assert "epoch 2/2" in printed.err
        if form == "json":
            result = json.loads(printed.out)
            assert result["rows"][0]["ours"]["n"] == 1
            assert not any("in percent" in note for note in result["notes"])  # its numbers are shares
        else:
            assert printed.out.startswith("### Reproduction")


@pytest.mark.slow
def test_the_folder_of_the_runs_may_be_named_otherwise_or_moved(flags, tmp_path, monkeypatch, exit_code):
    monkeypatch.chdir(tmp_path)
    rest = [ROW, "--reading", "text", *flags[2:]]
    assert exit_code("reproduce", *rest, "--out", "runs") == 0
    monkeypatch.setattr(memgate.training.loop, "train", lambda config: pytest.fail("trained again"))
    assert exit_code("reproduce", *rest, "--out", tmp_path / "runs") == 0
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    assert exit_code("reproduce", *rest, "--out", "elsewhere") == 0


@pytest.mark.slow
def test_a_run_of_other_settings_is_not_taken_for_ours(flags, exit_code, one_sentence):
    name = "paper-1-baseline-tiny-code-s0"
    train = ["train", "--recipe", "paper-1-baseline", "--name", name, *flags, "--model.depth", "8"]
    assert exit_code(*train, "--train.epochs", "1", "--train.milestones", "--data.test-limit", "10") == 0
    for also in ([], ["--only-report"]):
        text = one_sentence("reproduce", "paper-1-baseline", *flags, *also)
        assert "is a run of other settings" in text
        assert "choose another --out" in text


@pytest.mark.slow
def test_ours_are_drawn_on_the_authors_curves(flags, tmp_path, monkeypatch, exit_code, capsys):
    from probes.report.curves import line_of_run

    names = [
        "vc10_resnet_gate_classifier110_4770_scratch_it1g-2cm-1",
        "vc10_resnet_gate_classifier110_4770_scratch_it3g-2cm-1",
        "vc10_resnet_gate_classifier110_4770_scratch_it1g-2cm-1_lr1by34770",
    ]
    columns = ["run", "epoch", "lr", "gate_lr"]
    columns += [
        f"{split}_{what}"
        for split in ("train", "val", "test")
        for what in ("accuracy", "loss_cls", "loss_gatecel")
    ]
    lines = [",".join(columns)]
    for name in names:
        lines += [",".join([name, str(epoch), "0.1", "0.01", *["50.5"] * 9]) for epoch in (1, 2, 3)]
    curves = tmp_path / "curves.csv"
    curves.write_text("\n".join(lines))
    row = "paper-1-scratch-0.01-constant"
    drawn = []
    import probes.report.curves

    original = probes.report.curves.figure
    monkeypatch.setattr(
        probes.report.curves, "figure", lambda *args: drawn.append(original(*args)) or drawn[-1]
    )
    assert exit_code("reproduce", row, *flags, "--curves", curves) == 0
    page = tmp_path / "runs" / f"{row}-reproduce-tiny-code-curves.html"
    assert str(page) in capsys.readouterr().out
    text = page.read_text()
    assert "<script src=" not in text  # it needs no network
    theirs, ours = drawn[0].data
    assert theirs.name == f"authors: {names[0]}"
    assert list(theirs.x) == pytest.approx([1 / 333, 2 / 333, 3 / 333])
    assert list(theirs.y) == pytest.approx([0.505] * 3)
    run = open_run(tmp_path / "runs" / f"{row}-tiny-code-s0")
    assert list(ours.x) == [0.5, 1.0]
    assert list(ours.y) == [result["test_accuracy"] for result in run.metrics()]
    assert line_of_run(run).planned == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["report-9.9"], "'report-9.9' is not a row or table of the documents"),
        ([], "needs a row or a table"),
        (["paper-1", "--scale", "full"], "9 runs, 2,700 epochs, 1,055,700 steps in all, 135,000,000"),
        (
            ["paper-1-baseline", "--scale", "short"],
            "takes long on cpu: add --yes, or take fewer rows or seeds, or",
        ),
        (["paper-1-baseline", "--seeds", "0,x"], "--seeds '0,x' is not a list of seeds"),
        (
            ["paper-1-baseline", "--beside", "somewhere"],
            "--beside somewhere is plotted with the authors' curves",
        ),
        (["paper-1-baseline", "--curves", "nothing.csv"], "nothing.csv does not exist"),
        (["paper-bas-1"], "paper-bas-1-r18 cannot be trained: ImageNet is no data set of memgate yet"),
        (["paper-bas-r20-c10-0", "--reading", "text"], "--reading text does nothing for paper-bas-r20-c10-0"),
    ],
)
def test_what_cannot_be_ends_in_one_sentence(one_sentence, flags, tmp_path, arguments, sentence):
    assert sentence in one_sentence("reproduce", *arguments, *flags)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_stopped_reproduction_goes_on(flags, tmp_path, exit_code, capsys, interrupt):
    interrupt(memgate.training.loop, "train_step", 2)
    assert exit_code("reproduce", "paper-1-baseline", *flags) == 130
    assert "Go on with: memgate reproduce paper-1-baseline" in capsys.readouterr().out
    assert exit_code("reproduce", "paper-1-baseline", *flags) == 0
    (run,) = list_runs(tmp_path / "runs")
    assert (run.status().state, run.status().epoch) == ("complete", 2)
    assert not math.isnan(accuracy(run))


def test_lists(exit_code, capsys):
    assert exit_code("reproduce", "--list") == 0
    assert capsys.readouterr().out.count("\n") == 2 + 127 + 74 + 3 + 34
    assert exit_code("reproduce", "paper-4", "--list") == 0
    assert "93.48 ± 0.26 (n = 5)" in capsys.readouterr().out
    assert exit_code("reproduce", "paper-4", "--list", "--format", "json") == 0
    assert [row["accuracy"] for row in json.loads(capsys.readouterr().out)][:2] == pytest.approx(
        [0.93478, 0.9345]
    )
    assert exit_code("reproduce", "paper-bas-1", "--list") == 0
    assert "1670 of 3680" in capsys.readouterr().out
    assert exit_code("reproduce", "paper-bas-r20-c10-*", "--list") == 0
    assert "figure only, no number in the text" in capsys.readouterr().out
    assert exit_code("recipes") == 0
    text = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in text.splitlines()]
    start = "report-3.4 9 of cifar10 resnet110 block-twoway-bce scratch lambda 1e-05 to 1000"
    assert any(line.startswith(start) for line in lines)
    assert any("(not to be trained: ImageNet is no data set of memgate yet)" in line for line in lines)
    assert "paper-1-scratch-0.01-constant-text" in text
