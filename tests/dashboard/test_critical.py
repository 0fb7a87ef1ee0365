"""The page Critical samples: what the probes stored, group by group, and what to type where they have not run."""

import base64
import io
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from memgate.recorder.recorder import Recorder
from memgate.runs.inputs import inputs_of
from memgate.runs.run import Run
from probes.csr.config import configure
from probes.csr.run import probe_run as probe_csr
from probes.network.plan import Plan
from probes.result import ProbeResult, load_results, probe_path, save_results
from probes.routing.run import probe_run as probe_routing
from probes.stats.intervals import wilson
from tests.helpers.pages import CASES, decoded, errors, figure, texts

pytestmark = pytest.mark.slow

MakeRun = Callable[..., Run]


@pytest.fixture(scope="module")
def probed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained run with both probes stored."""
    path = tmp_path_factory.mktemp("probed") / "one"
    shutil.copytree(trained, path)
    run = Run(path)
    config = configure(radius=(0.3, 1, 5))
    list(probe_csr(run, config, Plan(checkpoints=("2", "last"), splits=("train",), n=100), most=10))
    list(probe_routing(run, Plan(splits=("train",), n=100)))
    return path


@pytest.fixture
def probed_run(probed: Path, tmp_path: Path) -> Run:
    shutil.copytree(probed, tmp_path / "runs" / "one")
    return Run(tmp_path / "runs" / "one")


def lines(at: Any, key: str) -> dict[str, Any]:
    return {trace["name"]: trace for trace in figure(at, key)["data"] if trace.get("showlegend") is not False}


def members(run: Run, result: ProbeResult, gate: str = "b3") -> dict[str, np.ndarray]:
    samples, log = run.sample_log().samples(result.split), run.sample_log()
    places = [samples.sample_id.tolist().index(one) for one in result.sample_id.tolist()]
    routed = log.values(result.split, "routed", gate)[1][result.epoch - 1][places]
    corrupted = samples.cause[places] != "clean"
    found = {"clean": ~corrupted, "corrupted": corrupted, "routed": routed, "skipped": ~routed}
    return {name: who for name, who in found.items() if who.any()}


@pytest.mark.parametrize("part", ["critical", "routing"])
@pytest.mark.parametrize("case", CASES)
def test_without_results_it_says_what_to_type(
    case: str, part: str, make_run: MakeRun, open_page: Any
) -> None:
    run = make_run(**CASES[case])
    at = open_page("critical", run=run.name, show=part)
    assert not errors(at)
    verb = "csr" if part == "critical" else "routing"
    assert at.code[0].value.startswith(f"memgate probe {verb} ")
    assert at.code[0].value.endswith("--splits train")


def test_a_recorded_run_has_no_network(tmp_path: Path, open_page: Any) -> None:
    labels = torch.arange(20) % 10
    with Recorder({"train": 20}, 1, name="mine", out=tmp_path / "runs") as recorder:
        recorder.update(torch.arange(20), torch.eye(10)[labels], labels, split="train")
        recorder.end_epoch()
    for part in ("critical", "routing"):
        at = open_page("critical", run="mine", show=part)
        assert not errors(at)
        assert "another program trained this run" in at.info[0].value
        assert not at.code


def test_the_ratios_are_the_stored_ones_by_group(probed_run: Run, open_page: Any) -> None:
    at = open_page("critical", run="one")
    assert not errors(at)
    results = {result.epoch: result for result in load_results(probed_run, "csr")}
    last = results[3]
    over, curve = lines(at, "csr_epochs"), lines(at, "csr_radii")
    inside = members(probed_run, last)
    assert set(over) == set(curve) == set(inside)
    radii = [0.3, 1, 5]
    for name, who in inside.items():
        hits = last.values["critical"][:, who]
        np.testing.assert_allclose(decoded(curve[name]["x"]), radii, rtol=1e-6)
        np.testing.assert_allclose(decoded(curve[name]["y"]), hits.mean(1), rtol=1e-6)
        ends = decoded(curve[name]["customdata"])
        np.testing.assert_allclose(ends[:, :2].T, wilson(hits.sum(1), who.sum()), rtol=1e-5)
        assert decoded(over[name]["x"]).tolist() == [2, 3]
        before = members(probed_run, results[2])[name]
        expected = [results[2].values["critical"][0, before].mean(), hits[0].mean()]
        np.testing.assert_allclose(decoded(over[name]["y"]), expected, rtol=1e-6)


def test_the_radius_the_checkpoint_and_the_filter_are_chosen(probed_run: Run, open_page: Any) -> None:
    at = open_page("critical", run="one", cause="label", gate="b2")
    at.selectbox(key="csr_radius").set_value(1.0).run()
    at.selectbox(key="csr_epoch").set_value(2).run()
    assert not at.exception
    result = next(one for one in load_results(probed_run, "csr") if one.epoch == 2)
    samples = probed_run.sample_log().samples("train")
    label = np.isin(result.sample_id, samples.sample_id[samples.cause == "label"])
    who = result.values["critical"][1] & label
    button = at.button(key="select_critical")
    assert button.label == f"Select {who.sum()} critical samples"
    button.click().run()
    assert at.session_state["view"].selected.ids.tolist() == np.sort(result.sample_id[who]).tolist()
    assert "critical at 1 grey levels, epoch 2" in texts(at)
    assert set(lines(at, "csr_radii")) <= {"corrupted", "routed", "skipped"}


def shown_pictures(at: Any) -> list[np.ndarray]:
    bodies = " ".join(element.proto.body for element in at.get("html"))
    found = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", bodies)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def test_the_nearest_sample_and_its_neighbour(probed_run: Run, open_page: Any) -> None:
    at = open_page("critical", run="one")
    result = next(one for one in load_results(probed_run, "csr") if one.epoch == 3)
    beyond = next(one for one in load_results(probed_run, "neighbours") if one.epoch == 3)
    radius = result.values["critical_radius"]
    order = np.argsort(radius, kind="stable")
    order = order[result.values["critical"][0][order]]
    table = at.dataframe[0].value
    assert table["sample_id"].tolist() == result.sample_id[order].tolist()
    np.testing.assert_allclose(table["radius"], radius[order], rtol=1e-6)
    first = int(result.sample_id[order[0]])
    place = beyond.sample_id.tolist().index(first)
    given, neighbour, difference = shown_pictures(at)
    inputs = inputs_of(probed_run)
    row = inputs.train.sample_id.tolist().index(first)
    np.testing.assert_array_equal(given, inputs.train.images[row])
    step = beyond.values["difference"][..., place].astype(int)
    distance = beyond.values["distance"][place]
    np.testing.assert_array_equal(neighbour, np.clip(np.rint(given + step / 127 * distance), 0, 255))
    np.testing.assert_array_equal(difference, 128 + step)
    own, other = (int(beyond.values[name][place]) for name in ("prediction", "neighbour_prediction"))
    names = probed_run.sample_log().class_names
    assert f"{names[own]} → {names[other]}: no pixel changed by more than {distance:.3g} grey" in texts(at)


def test_results_of_older_versions_say_how_to_get_neighbours(probed_run: Run, open_page: Any) -> None:
    probe_path(probed_run, "neighbours").unlink()
    at = open_page("critical", run="one")
    assert not errors(at)
    assert at.code[0].value.endswith(
        "--splits train --checkpoints 3 --method first-order --radius 0.3 1 5 --n 100 --neighbours 100"
    )
    assert len(shown_pictures(at)) == 1
    # All of them are probed again, not the clean alone.
    filtered = open_page("critical", run="one", cause="clean")
    assert filtered.code[0].value == at.code[0].value


@pytest.mark.parametrize("probe", ["csr", "neighbours", "routing"])
def test_a_damaged_file_of_results_is_a_sentence(probe: str, probed_run: Run, open_page: Any) -> None:
    probe_path(probed_run, probe).write_bytes(b"no HDF5")
    at = open_page("critical", run="one", show="routing" if probe == "routing" else "critical")
    assert any(f"{probe}.h5 is damaged" in sentence for sentence in errors(at))


def test_missing_pictures_leave_the_rest(
    probed_run: Run, open_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.dashboard import run_data
    from memgate.errors import MemgateError

    def gone(run: Run, split: str) -> None:
        raise MemgateError("There is no data file.")

    monkeypatch.setattr(run_data, "pictures", gone)
    at = open_page("critical", run="one")
    assert set(errors(at)) == {"There is no data file."}
    assert len(shown_pictures(at)) == 1, "the difference is stored"
    assert figure(at, "radii")


def test_routes_cuts_and_buttons(probed_run: Run, open_page: Any) -> None:
    at = open_page("critical", run="one", show="routing")
    assert not errors(at)
    (result,) = load_results(probed_run, "routing")
    inside = members(probed_run, result)
    traces = lines(at, "routes")
    assert set(traces) == {"clean", "corrupted"}
    for name, trace in traces.items():
        hits = result.values["fits_given"][:, inside[name]]
        np.testing.assert_allclose(decoded(trace["y"]), hits.mean(1), rtol=1e-6)
        low, high = wilson(hits.sum(1), hits.shape[1])
        np.testing.assert_allclose(decoded(trace["customdata"])[:, :2].T, [low, high], rtol=1e-5)
    table = at.dataframe[0].value.set_index("samples")
    assert table.loc["clean", "learned"].startswith(
        f"{result.values['fits_given'][0][inside['clean']].mean():.1%}"
    )
    for name, column in (
        ("whose fit needs B3", "memorised_by_b3"),
        ("recovered by skipping B2", "recovered_by_skip_b2"),
    ):
        who = result.values[column]
        button = at.button(key=f"select_{column}")
        corrupted = int((who & ~inside["clean"]).sum())
        memorised = f" ({corrupted} corrupted = memorised)" if column == "memorised_by_b3" else ""
        assert button.label == f"Select {who.sum()} samples {name}{memorised}"
        assert button.disabled == (not who.any())
    who = result.values["memorised_by_b3"] | result.values["memorised_by_b2"]
    name = "b3" if result.values["memorised_by_b3"].any() else "b2"
    if who.any():
        at.button(key=f"select_memorised_by_{name}").click().run()
        expected = np.sort(result.sample_id[result.values[f"memorised_by_{name}"]])
        assert at.session_state["view"].selected.ids.tolist() == expected.tolist()
    assert "--control RUN" in at.code[0].value


def test_the_control_is_set_beside(probed_run: Run, open_page: Any) -> None:
    (result,) = load_results(probed_run, "routing")
    beside = replace(result, config={**result.config, "control": str(probed_run.path)})
    save_results(probed_run, "routing", [beside])
    at = open_page("critical", run="one", show="routing")
    table = at.dataframe[1].value
    assert set(table["run"]) == {"one", "one - one"}
    assert (table[table["run"] == "one - one"]["group - clean"].str.startswith("+0.0")).all()
    save_results(probed_run, "routing", [replace(result, config={**result.config, "control": "/gone/other"})])
    at = open_page("critical", run="one", show="routing")
    assert "The control other is not shown: There is no run 'other'" in texts(at)


def test_a_filter_that_leaves_nobody_probed(probed_run: Run, open_page: Any) -> None:
    for part in ("critical", "routing"):
        at = open_page("critical", run="one", show=part, route="skipped", gate="b2")
        assert not errors(at)
        assert at.info or at.get("plotly_chart")
