"""The dashboard over recorded runs: every page, with and without gates, pictures and clean labels."""

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from memgate.recorder.recorder import Recorder
from memgate.runs.run import Run
from noise.apply import corrupt
from tests.helpers.pages import errors

pytestmark = pytest.mark.slow

N, K, SIDE = 60, 3, 8
LABELS = np.arange(N) % K
CLEAN = np.where(np.arange(N) < 12, (LABELS + 1) % K, LABELS)
IMAGES = np.random.default_rng(0).integers(0, 256, (N, SIDE, SIDE, 3), np.uint8)

CASES: dict[str, dict[str, Any]] = {
    "bare": {},
    "all of it": {"clean_labels": CLEAN, "images": IMAGES, "gates": ("b2", "b3"), "own": True, "test": True},
    "no classifier": {"clean_labels": CLEAN, "gates": ("gate",)},
    "a gate for each layer": {
        "clean_labels": CLEAN,
        "gates": tuple(f"layer3.{i}" for i in range(20)),
        "test": True,
    },
    "pictures that are not square": {"images": IMAGES[:, :4, :, 0]},
    "seed": {"seed": 3, "class_names": ["a", "b", "[c](http://evil.example)"]},
}


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Run]:
    """Record two of three epochs of a run ``mine``."""

    def recorded(
        gates: Any = (), own: bool = False, test: bool = False, name: str = "mine", **more: Any
    ) -> Run:
        counts = {"train": N, "test": 6} if test else N
        generator = torch.Generator().manual_seed(0)
        with Recorder(counts, 3, name=name, out=tmp_path / "runs", **more) as recorder:
            for _ in range(2):
                for split, labels in (("train", LABELS), ("test", LABELS[:6]))[: 1 + test]:
                    count = len(labels)
                    gate = {one: torch.rand(count, generator=generator) for one in gates}
                    logits = {one: torch.randn(count, K, generator=generator) for one in gates if own}
                    recorder.update(
                        torch.arange(count), torch.randn(count, K, generator=generator), labels, gate or None,
                        gate_logits=logits, split=split,
                    )  # fmt: skip
                recorder.end_epoch()
        return Run(recorder.path)

    return recorded


def pictures(at: Any) -> list[np.ndarray]:
    """The pictures of a sample's page."""
    bodies = [element.proto.body for element in at.get("html")]
    found = [one for body in bodies for one in re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", body)]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


PAGES = ("runs", "overview", "explorer", "sample", "compare", "export", "health")


@pytest.mark.parametrize("case", CASES)
def test_every_page_shows_a_recorded_run(case: str, record: Any, walk: Any) -> None:
    plan = CASES[case]
    record(**plan)
    for page, at in walk(PAGES, run="mine"):
        if page == "sample" and "images" not in plan:
            sentence = (
                "mine was recorded without pictures: give the Recorder images= to have them shown here."
            )
            assert errors(at) == [sentence]
        else:
            assert not errors(at), page
        if page == "runs":
            (row,) = at.dataframe[0].value.to_dict("records")
            shown = (row["status"], row["epochs"], row["data"], row["log"])
            assert shown == ("stopped", "2 / 3", "own", "online")
            gates = [name.upper() for name in plan.get("gates", ())]
            gate_text = gates if len(gates) < 5 else [f"with {len(gates)} gates"]
            assert row["model"] == " ".join(["own", *gate_text])
            assert row["seed"] == 3 if "seed" in plan else pd.isna(row["seed"])
        if page == "overview":
            charts = (5 + plan.get("own", False)) if "gates" in plan else 2
            charts += len(plan.get("gates", ())) > 1  # all of them in one matrix
            assert len(at.get("plotly_chart")) == charts


def test_recorded_and_trained_runs_stand_in_one_list(record: Any, make_run: Any, open_page: Any) -> None:
    make_run(name="trained")
    record()
    table = open_page("runs").dataframe[0].value.set_index("run")
    assert table.loc["trained", "seed"] == 0
    assert table.loc["mine", "noise"] == "none"
    assert table.loc["trained", "model"] == "entropy-gate-20 B3"


def test_the_picture_is_the_one_that_was_given(record: Any, open_page: Any) -> None:
    record(images=IMAGES)
    at = open_page("sample", run="mine", id="7")
    (shown,) = pictures(at)
    np.testing.assert_array_equal(shown, IMAGES[7])
    assert any("image unchanged" in element.proto.body for element in at.get("html"))


def test_of_a_corrupted_picture_only_the_given_one_is_known(record: Any, open_page: Any) -> None:
    done = corrupt(IMAGES, LABELS, ["randx:0.5"], seed=0, dataset="d", class_names=list("abc"))
    record(images=done.images, manifest=done.manifest)
    row = int(np.flatnonzero(done.manifest.image_corrupted)[0])
    at = open_page("sample", run="mine", id=str(row))
    (shown,) = pictures(at)
    np.testing.assert_array_equal(shown, done.images[row])
    assert not any("unchanged" in element.proto.body for element in at.get("html"))
    text = "\n".join(element.value for element in at.markdown).replace("\\", "")
    assert "its image was corrupted (randx)" in text


def test_a_split_without_pictures_is_a_sentence(record: Any, open_page: Any) -> None:
    record(images=IMAGES, test=True)
    assert errors(open_page("sample", run="mine", split="test", id="2")) == [
        "mine has no images of the split test."
    ]


def test_the_verdict_names_the_label_list(record: Any, open_page: Any) -> None:
    record(clean_labels=CLEAN, class_names=["a", "b", "c"])
    at = open_page("sample", run="mine", id="0")
    text = "\n".join(element.value for element in at.markdown).replace("\\", "")
    assert "Corrupted: its label was changed from b to a (label-list)." in text


def test_recorded_runs_are_compared_by_ids_and_labels(record: Any, open_page: Any) -> None:
    record(gates=("gate",), clean_labels=CLEAN, settings={"lr": 0.1})
    record(gates=("gate",), clean_labels=CLEAN, settings={"lr": 0.2}, images=IMAGES, name="second")
    at = open_page("compare", runs="mine,second")
    assert not errors(at)
    settings = next(one.value for one in at.dataframe if "setting" in one.value.columns)
    assert settings.to_numpy().tolist() == [["settings.lr", "0.1", "0.2"]]
    assert at.button(key="flip_routed_routed")
    record(name="third")
    assert "clean labels" in errors(open_page("compare", runs="mine,third"))[0]
