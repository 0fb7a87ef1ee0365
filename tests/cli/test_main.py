"""The command line: fast help, every command, and one sentence with exit code 2 for what a user can get wrong."""

import contextlib
import csv
import importlib.util
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.cli.commands.train import Quickstart
from memgate.__main__ import check_siblings
from memgate.errors import MemgateError
from memgate.recipes import check_start, recipe
from memgate.runs.config_file import write_config

SMALL = (
    "--data.name digits --data.image-size 8 --data.train-limit 200 --data.test-limit 60 --model.depth 14 "
    "--train.epochs 2 --noise symmetric:0.2 randx:0.05 --device cpu"
).split()


@pytest.mark.slow
def test_help_imports_nothing_heavy():
    script = (
        "import sys; from app.cli import main\n"
        "try: main.parse(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('torch', 'pandas', 'streamlit', 'sklearn', 'plotly') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "quickstart" in done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        main.parse(["train", "--name", "one", "--out", str(folder / "runs"), *SMALL]).run()
    return folder / "runs" / "one", output.getvalue()


@pytest.mark.slow
def test_train_prints_a_line_per_epoch_and_the_report(trained):
    path, output = trained
    assert output.count("\nepoch ") + output.startswith("epoch ") == 2
    assert "AUROC" in output
    assert f"memgate dashboard {path.parent}" in output
    assert json.loads((path / "status.json").read_text())["state"] == "complete"


@pytest.mark.slow
def test_export_report_evaluate_and_runs(trained, tmp_path, printed, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, _ = trained
    output = printed("export", path, "--shape", "summary", "--format", "csv")
    rows = list(csv.DictReader(Path(output.strip()).read_text().splitlines()))
    assert len(rows) == 200
    assert sum(row["label_kind"] == "symmetric" for row in rows) == 40
    assert sum(row["image_kind"] == "randx" for row in rows) == 10
    assert sum(row["given_label"] != row["clean_label"] for row in rows) == 40
    report = json.loads(printed("report", path, "--format", "json", "--bootstrap", "5"))
    fitted = sum(row["correct_given_last"] == "true" for row in rows) / 200
    assert report["groups"][0]["fits_given"]["value"] == pytest.approx(fitted)
    assert report["test_accuracy"]["n"] == 60
    assert "|" in printed("report", path, "--format", "markdown", "--bootstrap", "0")
    evaluated = json.loads(printed("evaluate", path, "--json"))
    assert evaluated["epoch"] == 2
    assert set(evaluated["splits"]) == {"train", "test"}
    listed = printed("runs", path.parent)
    assert "one" in listed
    assert "complete" in listed
    assert "memgate quickstart" in printed("runs", tmp_path)


def test_like_starts_from_another_runs_configuration(trained):
    path, _ = trained
    command = main.parse(
        ["train", "--like", str(path), "--name", "two", "--seed", "7", "--train.epochs", "5"]
    )
    config = command.config
    assert (config.name, config.seed, config.train.epochs) == ("two", 7, 5)
    assert config.noise == ("symmetric:0.2", "randx:0.05")
    assert config.data.train_limit == 200


@pytest.mark.slow
def test_what_is_typed_takes_the_place_of_the_noise_that_is_inherited(make_run):
    run = make_run(noise_on=("test",))
    like = ["train", "--like", str(run.path)]
    assert main.parse(like).config.noise == run.config.noise
    for typed in (["--manifest", "m.npz"], ["--manifest=m.npz"]):
        config = main.parse([*like, *typed]).config
        assert (config.noise, config.manifest, config.noise_on) == ((), Path("m.npz"), ("test",))
    stored = json.loads((run.path / "config.json").read_text())
    for key in ("config", "requested"):
        stored[key] |= {"noise": [], "manifest": "/data/m.npz"}
    write_config(run.path / "config.json", stored)
    assert main.parse(like).config.manifest == Path("/data/m.npz")
    for typed in (["--noise", "pair:0.2"], ["--noise=pair:0.2"]):
        config = main.parse([*like, *typed]).config
        assert (config.noise, config.manifest) == (("pair:0.2",), None)
    config = main.parse([*like, "--noise-on", "--noise"]).config
    assert (config.noise, config.manifest, config.noise_on) == ((), None, ())
    config = main.parse(["train", "--recipe", "quickstart", "--manifest", "m.npz"]).config
    assert (config.noise, config.manifest) == ((), Path("m.npz"))


@pytest.mark.parametrize(
    "typed",
    [
        ["--noise", "pair:0.1", "--noise", "random"],
        ["--noise_on", "test", "--noise-on=val"],
        ["--noise=a", "--noise=b"],
    ],
)
def test_a_list_given_twice_is_refused(typed):
    with pytest.raises(MemgateError, match="is given twice, and only the last would count"):
        main.parse(["train", *typed])


def test_like_copies_what_was_asked_for_and_not_what_followed_from_it(trained):
    path, _ = trained
    command = main.parse(["train", "--like", str(path), "--train.epochs", "8", "--data.name", "cifar10"])
    config = command.config.resolved()
    assert config.train.milestones == (4, 6)
    assert config.data.augment == "crop-flip"


def test_quickstart_takes_a_free_name(tmp_path, monkeypatch):
    (tmp_path / "quickstart").mkdir()
    names = []

    def refuse(config):
        names.append(config.name)
        raise MemgateError("enough")

    monkeypatch.setattr("memgate.training.loop.train", refuse)
    with pytest.raises(MemgateError, match="enough"):
        Quickstart(out=tmp_path).run()
    assert names == ["quickstart-2"]


@pytest.mark.parametrize("command", [["train", "--recipe"], ["sweep"]])
def test_a_row_that_starts_from_a_baseline_is_not_trained_from_scratch_in_silence(
    command, tmp_path, one_sentence
):
    text = one_sentence(*command, "report-2.2-10-text", "--out", tmp_path)
    assert "--recipe report-2.2-10-text starts from a trained baseline: add --init-from RUN" in text
    assert "memgate reproduce report-2.2-10 --reading text" in text
    assert not list(tmp_path.iterdir())
    check_start("report-2.2-10-text", replace(recipe("report-2.2-10-text"), init_from="baseline"))
    check_start("report-2.2-10", recipe("report-2.2-10"))
    check_start(None, recipe("report-2.2-10-text"))


def test_recipe_gives_the_defaults_and_flags_count():
    config = main.parse(["train", "--recipe=paper-c100", "--train.lr", "0.2"]).config
    assert (config.model.depth, config.model.block, config.train.lr) == (164, "bottleneck", 0.2)
    assert config.train.milestones == (120, 180)


@pytest.mark.slow
def test_data_info_and_prepare(tmp_path, printed):
    output = printed("data", "info", "--data.name", "digits")
    assert "1437" in output
    assert "360" in output
    assert "digits" in printed("data", "prepare", "digits", "--root", tmp_path)


WRONG = [
    (["train", "--model.depth", "21"], "--model.depth 21 is not a depth of a basic ResNet"),
    (["train", "--model.depth", "8"], "o1 = o2 and there is nothing to gate"),
    (["train", "--noise", "symetric:0.4"], "symmetric"),
    (["train", "--recipe", "nothing"], "--recipe 'nothing' is unknown: there are quickstart"),
    (["train", "--recipe", "quickstart", "--like", "x"], "give one of them"),
    (["train", "--train.epochs", "3.5"], "3.5"),
    (["train", "--train.epoch", "3"], "Perhaps you meant"),
    (["train", "--data.name", "npz", "--data.root", "missing.npz"], "missing.npz"),
    (["train", *SMALL, "--out", "/proc/nothing"], "cannot be made"),
    (["train", "--train.lr", "inf"], "--train.lr inf must be a finite number"),
    (["resume", "nothing"], "nothing is no run"),
    (["report", "nothing"], "nothing is no run"),
    (["corrupt", "verify", "nothing.npz", "--data.name", "digits"], "nothing.npz does not exist"),
    (["train", "--device", "gpu"], "invalid choice 'gpu' for argument '--device'"),
    (["export"], "Missing from memgate export"),
    (["nothing"], "'memgate' has no command 'nothing': there are train"),
    ([], "Expected one of {train, quickstart"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG]
)
def test_an_error_is_one_sentence_and_nothing_is_written(
    tmp_path, monkeypatch, one_sentence, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    assert sentence in one_sentence(*arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_error_ends_a_process_with_code_2_and_one_sentence(tmp_path):
    command = [sys.executable, "-m", "memgate", "report", "nothing"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("memgate: nothing is no run")
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_package_of_our_name_is_noticed(monkeypatch):
    original = importlib.util.find_spec

    def foreign(name):
        spec = original(name)
        if name == "noise":
            spec = importlib.util.spec_from_file_location("noise", "/elsewhere/noise/__init__.py")
        return spec

    monkeypatch.setattr("importlib.util.find_spec", foreign)
    with pytest.raises(MemgateError, match="/elsewhere/noise.* hides memgate's own"):
        check_siblings()


def test_a_file_noise_py_in_the_current_folder_is_named(tmp_path):
    (tmp_path / "noise.py").write_text("raise SystemExit(3)\n")  # it is not executed
    ended = subprocess.run(
        [sys.executable, "-m", "memgate", "runs"], cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.stderr.startswith(f"memgate: Another package called 'noise' ({tmp_path / 'noise.py'}) hides")
    assert ended.returncode == 2


@pytest.mark.slow
def test_misspelt_commands_and_flags_name_the_one_that_is_meant(one_sentence):
    assert "'memgate' has no command 'exprot': perhaps export is meant" in one_sentence("exprot", "x")
    assert "'memgate probe' has no command 'crs': perhaps csr is meant" in one_sentence("probe", "crs", "x")
    assert "there are train, quickstart" in one_sentence("xyz")
    assert one_sentence("report", "x", "--formt", "json").endswith("Perhaps you meant --format.\n")
    assert one_sentence("train", "--train.epoch", "3").endswith("Perhaps you meant --train.epochs.\n")


def test_runs_takes_the_folder_of_one_run(make_run, exit_code, capsys):
    run = make_run(n=20, test_n=10, epochs=1)
    assert exit_code("runs", run.path) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]] == ["run"]


def test_sigterm_leaves_no_temporary_file(
    make_run: Callable[..., Any],
    exit_code: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from probes.export import export

    run, before = make_run(), signal.getsignal(signal.SIGTERM)
    write = export.atomic_write

    def interrupted(path: Path, fill: Callable[[Any], object]) -> None:
        write(path, lambda stream: (fill(stream), signal.raise_signal(signal.SIGTERM)))

    monkeypatch.setattr(export, "atomic_write", interrupted)
    assert exit_code("export", run.path, "--out", tmp_path / "table.csv") == 143
    assert [path.name for path in tmp_path.iterdir() if "table" in path.name] == []
    assert signal.getsignal(signal.SIGTERM) is before
