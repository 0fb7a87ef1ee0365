"""Images that show nothing are counted, wherever they come in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memgate.config.run import DataConfig, RunConfig
from memgate.data.image_set import load_splits
from memgate.data.plain_images import plain, plain_notes
from memgate.runs.inputs import load_inputs

RNG = np.random.default_rng(2)


def test_images_of_one_colour_are_found_whatever_the_colour() -> None:
    images = RNG.integers(0, 256, (5, 8, 8, 3), np.uint8)
    images[1], images[3] = 0, (9, 0, 200)
    assert plain(images).tolist() == [False, True, False, True, False]
    images[3, 7, 7, 2] += 1
    assert plain(images).tolist() == [False, True, False, False, False]


def test_the_sentence_names_how_many_and_which() -> None:
    images = RNG.integers(0, 256, (9, 8, 8, 3), np.uint8)
    assert plain_notes(images, "images") == ()
    images[2], images[4] = 0, 7
    (note,) = plain_notes(images, "train images", np.arange(100, 109))
    assert note.startswith("2 of the 9 train images have one colour only (1 of them black; ids 102, 104):")


def test_floats_cast_to_integers_are_recognised() -> None:
    cast = np.array([0.0, 0.4, 1.0, 0.9])[RNG.integers(0, 4, (5, 8, 8, 3))].astype(np.uint8)
    (note,) = plain_notes(cast, "images")
    assert "All pixels of the 5 images are 0 or 1 of 255" in note
    assert "multiply by 255" in note


def test_a_file_of_black_images_is_warned_of_by_every_command_that_reads_it_anew(
    tmp_path: Path, exit_code: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = {"train_images": RNG.random((6, 8, 8, 3)).astype(np.uint8), "train_labels": np.arange(6) % 2}
    arrays |= {"test_images": RNG.integers(0, 256, (4, 8, 8, 3), np.uint8), "test_labels": np.arange(4) % 2}
    path = tmp_path / "cast.npz"
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
    (note,) = load_splits(DataConfig(name="npz", root=path)).notes
    assert note.startswith("All pixels of the 6 train images are 0 or 1")
    data = ["--data.name", "npz", "--data.root", path]
    for command in (
        ["data", "info"],
        ["corrupt", "write", "--noise", "symmetric:0.5", "--out", tmp_path / "m.npz"],
    ):
        assert exit_code(*command, *data) == 0
        assert capsys.readouterr().err == f"memgate: {note}\n"


def test_foreign_images_that_show_nothing_are_warned_of(
    tmp_path: Path, exit_code: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "cast.npz", images=RNG.random((40, 8, 8, 3)).astype(np.uint8))
    noise = f"open:0.5:source=npz={tmp_path / 'cast.npz'}"
    data = DataConfig(name="digits", image_size=8, train_limit=20, test_limit=10)
    load_inputs(RunConfig(noise=(noise,), data=data).resolved())
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("memgate: All pixels of the 10 open-set images of train are 0 or 1 of 255")
    flags = ["--data.name", "digits", "--data.image-size", "8", "--data.train-limit", "20"]
    assert exit_code("corrupt", "write", "--noise", noise, "--out", tmp_path / "m.npz", *flags) == 0
    assert capsys.readouterr().err == f"{sentence}\n"


def test_a_recorder_warns_of_its_images(
    make_recorder: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    make_recorder(6, images=np.zeros((6, 8, 8), np.uint8)).close()
    assert "All pixels of the 6 images of train are 0 or 1 of 255" in capsys.readouterr().err
