"""A walk through every command over data that people have by accident: none, one sample, one class, odd pictures.

Nothing may end in a traceback or leave a temporary file; a command that refuses leaves no run and no file behind.
"""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

TRAIN = (
    "--data.image-size 8 --device cpu --model.name resnet --model.depth 8 --train.epochs 1 --train.batch-size 512 "
    "--train.checkpoint-every 1"
).split()

READ = [
    "report {run} --bootstrap 5", "report {run} --format json", "score {run} --top 3", "score {run} --split test",
    "score {run} --out {out}/scores.csv", "export {run} --out {out}/summary.csv",
    "export {run} --shape long --out {out}/long.parquet", "export {run} --shape matrix --out {out}/matrix.npz",
    "export {run} --schema cleanlab --out {out}/cleanlab.csv", "export {run} --min-loss 1e9 --out {out}/none.csv",
    "evaluate {run}", "evaluate {run} --checkpoint 1 --json", "runs {runs}", "resume {run}",
    "probe routing {run}", "probe csr {run} --n 2 --method first-order", "probe difficulty {run}",
    "probe show {run}", "corrupt show {run}/manifest.npz", "corrupt show {run}/manifest.npz --format json",
    "corrupt export {run}/manifest.npz --format dividemix --out {out}/given.json",
]  # fmt: skip
"""Commands over a run that was trained."""

REFUSED = ("export {run} --min-loss 1e9 --out {out}/none.csv", "resume {run}", "probe difficulty {run}")
"""Those that have nothing to do, or too few samples, there."""

SHORT = (0, 2, 4, 5, 10, 15)
"""Places in READ of what every data set is walked over by; some data sets are walked over by all."""

READ_ALIKE = ("all black", "grey", "grey with an axis")
"""Data sets that are images like those of "two classes" once they are read: only looked at, and corrupted once."""


@pytest.fixture
def walk_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    exit_code: Callable[..., int],
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., int]:
    """Function that runs a command and checks its end; an exception that is not foreseen passes through it."""
    monkeypatch.delenv("HOME", raising=False)

    def run(*arguments: object) -> int:
        before = files(tmp_path)
        code = exit_code(*arguments)
        printed = capfd.readouterr()
        assert code in (0, 1, 2), arguments
        assert "Traceback" not in printed.err, arguments
        if code == 2:
            assert "memgate: " in printed.err, (arguments, printed)
            assert files(tmp_path) - before == set(), (arguments, printed.err)
        assert [name for name in files(tmp_path) if name.endswith((".tmp", ".reserved"))] == [], arguments
        return code

    return run


def files(folder: Path) -> set[str]:
    """Paths of the files in a folder; the folders of runs, which a refused command must not make, among them."""
    paths = folder.rglob("*")
    return {str(path) for path in paths if path.is_file() or path.parent.name == "runs"}


def images(n: int, shape: tuple[int, ...] = (8, 8, 3), dtype: str = "uint8") -> np.ndarray:
    """Random images [n, ...] over the range of their type."""
    draw = np.random.default_rng(0)
    if dtype.startswith("float"):
        return draw.random((n, *shape)).astype(dtype)
    return draw.integers(0, np.iinfo(dtype).max, (n, *shape), dtype, endpoint=True)


ARRAYS = {
    "nothing": (images(0), []),
    "one sample": (images(1), [0]),
    "two samples": (images(2), [0, 1]),
    "two samples of one class": (images(2), [0, 0]),
    "three samples": (images(3), [0, 1, 1]),
    "one class": (images(6), [0] * 6),
    "two classes": (images(12), [0, 1] * 6),
    "all black": (np.zeros((8, 8, 8, 3), np.uint8), [0, 1] * 4),
    "1x1": (images(8, (1, 1, 3)), [0, 1] * 4),
    "not square": (images(8, (12, 8, 3)), [0, 1] * 4),
    "grey": (images(8, (8, 8)), [0, 1] * 4),
    "grey with an axis": (images(8, (8, 8, 1)), [0, 1] * 4),
    "RGBA": (images(8, (8, 8, 4)), [0, 1] * 4),
    "two channels": (images(8, (8, 8, 2)), [0, 1] * 4),
    "16 bit": (images(8, dtype="uint16"), [0, 1] * 4),
    "floats": (images(8, dtype="float32"), [0, 1] * 4),
    "floats that are NaN": (images(8, dtype="float32") * np.nan, [0, 1] * 4),
    "labels as text": (images(8), ["cat", "dog"] * 4),
    "labels as numbers with a point": (images(8), [0.0, 1.5] * 4),
    "negative labels": (images(8), [-1, 0] * 4),
    "too few labels": (images(8), [0, 1]),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays(kind: str, walk_on: Callable[..., int], tmp_path: Path) -> None:
    pictures, labels = ARRAYS[kind]
    path = tmp_path / "data.npz"
    arrays: dict[str, Any] = {f"{split}_{name}": value for split in ("train", "test") for name, value in
              (("images", pictures), ("labels", np.array(labels)))}  # fmt: skip
    np.savez(path, **arrays)
    commands = [READ[at] for at in SHORT]
    if kind in ("two samples", "two classes"):
        commands = READ
    data = ["--data.name", "npz", "--data.root", path]
    if kind in READ_ALIKE:
        assert look_at(walk_on, tmp_path / "half.npz", data) == 0
        return
    codes = walk_over(walk_on, tmp_path, data, commands)
    if kind == "two classes":
        assert {command for command in READ if codes[command] != 0} == set(REFUSED)


PICTURES: dict[str, Callable[[int], Image.Image]] = {
    "1x1": lambda at: Image.fromarray(images(8, (1, 1, 3))[at]),
    "not square": lambda at: Image.fromarray(images(8, (5, 30, 3))[at]),
    "grey": lambda at: Image.fromarray(images(8, (9, 9))[at]),
    "RGBA": lambda at: Image.fromarray(images(8, (9, 9, 4))[at]),
    "16 bit": lambda at: Image.fromarray(images(8, (9, 9), "uint16")[at]),
    "palette": lambda at: Image.fromarray(images(8, (9, 9, 3))[at]).quantize(4),
    "one bit": lambda at: Image.fromarray(images(8, (9, 9))[at]).convert("1"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_folders_of_pictures(kind: str, walk_on: Callable[..., int], tmp_path: Path) -> None:
    for split, at in itertools.product(("train", "test"), range(8)):
        path = tmp_path / "pictures" / split / ("cat", "dog")[at % 2] / f"{at}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PICTURES[kind](at).save(path)
    data = ["--data.name", "folder", "--data.root", tmp_path / "pictures"]
    if kind == "palette":
        assert set(walk_over(walk_on, tmp_path, data, READ[:1]).values()) == {0}
    else:
        assert look_at(walk_on, tmp_path / "half.npz", data) == 0


def look_at(walk_on: Callable[..., int], out: Path, data: list[object]) -> int:
    """Exit code of a corruption of a data set, in ``out``, after what is told about it."""
    walk_on("data", "info", *data)
    specs = ("pair:0.5", "gaussian:0.5")
    return walk_on("corrupt", *data, "--data.image-size", 8, "--noise", *specs, "--out", out)


def walk_over(
    walk_on: Callable[..., int], folder: Path, data: list[object], commands: Sequence[str]
) -> dict[str, int]:
    """Exit codes of commands over a run, after those over its data set; none where it cannot be trained on."""
    out, runs = folder / "out", folder / "runs"
    out.mkdir()
    look_at(walk_on, out / "half.npz", data)
    for name in ("symmetric:0", "symmetric:1", "randx:1"):
        walk_on("corrupt", *data, "--data.image-size", 8, "--noise", name, "--out", out / f"{name}.npz")
    trained = walk_on(
        "train", "--name", "one", "--out", runs, *data, *TRAIN, "--noise", "symmetric:0.5", "randx:0.5"
    )
    limits = ["--data.train-limit", 1, "--data.val-fraction", 0.5]
    walk_on("train", "--name", "clean", "--out", runs, *data, *TRAIN, *limits)
    arguments = {name: name.format(run=runs / "one", runs=runs, out=out).split() for name in commands}
    return {name: walk_on(*words) for name, words in arguments.items()} if trained == 0 else {}


def test_every_command_without_a_run(walk_on: Callable[..., int], tmp_path: Path) -> None:
    for command in (*READ, "sweep table {run}", "dashboard {run}/nowhere", "import-curves {run}"):
        walk_on(*command.format(run=tmp_path / "none", runs=tmp_path / "runs", out=tmp_path).split())
    for command in ("recipes", "scores", "corrupt kinds", "reproduce --list", "--version"):
        assert walk_on(*command.split()) == 0


def test_without_home_terminal_and_locale(make_run: Callable[..., object], tmp_path: Path) -> None:
    make_run(name="one")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), "LC_ALL": "C",
                   "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # fmt: skip
    command = [sys.executable, "-m", "memgate", "report", "--bootstrap", "0", "runs/one"]
    ended = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, stdin=subprocess.DEVNULL
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"Test accuracy" in ended.stdout


def test_into_a_closed_pipe(make_run: Callable[..., object], tmp_path: Path) -> None:
    make_run()
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "memgate", "runs", "runs"]
    ended = subprocess.run(command, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (0, b"")
