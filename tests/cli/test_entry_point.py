"""The entry point: Ctrl-C while it imports, and the threads of PyTorch."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from memgate import console
from memgate.__main__ import SPIN_COUNT, set_spin_count

INTERRUPTED = """
import builtins, signal, sys
import memgate.__main__
imported = builtins.__import__

def interrupting(name, *rest, **options):
    if name == "{module}":
        signal.raise_signal(signal.SIGINT)
    return imported(name, *rest, **options)

builtins.__import__ = interrupting
sys.argv = ["memgate", "runs", "nowhere"]
memgate.__main__.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["memgate.errors", "tyro", "tabulate"])
def test_ctrl_c_during_the_imports_ends_in_a_sentence(module: str) -> None:
    code = INTERRUPTED.format(module=module)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "memgate: Stopped.\n")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, SPIN_COUNT),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, None),
    ],
)
def test_the_users_setting_of_threads_wins(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str | None
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    set_spin_count()
    assert os.environ.get("GOMP_SPINCOUNT") == expected
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert {**os.environ} == {name: value for name, value in before.items() if name != "GOMP_SPINCOUNT"}


def test_no_progress_bar_where_there_is_no_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert list(console.progress([1, 2], 2, "x")) == [1, 2]
    with console.counter(2, "x") as step:
        step(1)
    console.warn("nobody reads this")


@pytest.mark.slow
@pytest.mark.parametrize(
    "typed",
    [
        ["runs", "x" * 5000],
        ["report", "x" * 5000],
        ["report", "a\x1b[2J"],
        ["resume", "~nobody-of-this-name/x"],
        ["train", "--name", "9" * 5000],
        ["train", "--data.name", "digits", "--out", "~nobody-of-this-name/x"],
        ["train", "--data.name", "digits", "--out", "x" * 300],
        ["train", "--train.batch-size", "1" + "0" * 22],
        ["train", "--train.epochs", "9" * 5000],
        ["train", "--model.depth", "6000002"],
        ["train", "--model.width", "1e308"],
        ["sweep", "quickstart", "--seeds", "9" * 5000],
        ["sweep", "quickstart", "--over", "train.lr=" + ",".join(f"0.{n}" for n in range(1, 10_002))],
    ],
    ids=lambda typed: " ".join(typed)[:40],
)
def test_extreme_values_end_in_a_short_sentence(
    one_sentence: Callable[..., str], typed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sentence = one_sentence(*typed)
    assert len(sentence) < 1200
    assert "\x1b" not in sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_commands_work_with_closed_streams(make_run: Callable, tmp_path: Path) -> None:
    run, out = make_run(n=60, test_n=20), tmp_path / "out"
    export = f"export {run.path} --out {out}.csv --format csv >&- 2>&-"
    for command in (export, f"corrupt show {run.path}/manifest.npz > {out}.txt 2>&-"):
        assert subprocess.run(["bash", "-c", f"{sys.executable} -m memgate {command}"]).returncode == 0
    for written in ("out.csv", "out.txt"):
        assert (tmp_path / written).stat().st_size > 0


@pytest.mark.slow
def test_training_works_without_standard_error(
    tmp_path: Path,
    exit_code: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags = (
        "--data.name digits --data.image-size 8 --data.train-limit 60 --data.test-limit 20 --model.name resnet "
        "--model.depth 8 --train.epochs 1 --device cpu"
    ).split()
    monkeypatch.setattr(sys, "stderr", None)  # as Python sets it for 2>&-
    assert exit_code("train", "--name", "one", "--out", tmp_path, *flags) == 0
    assert "epoch 1/1" in capsys.readouterr().out
