"""The gallery: each preset's samples and order against numpy, its words in the URL, and the tiles."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.dashboard.components.thumbnails import sprite
from app.dashboard.components.tiles import extent
from app.dashboard.parts.gallery import presets as gallery
from memgate.runs.run import Run
from probes.dynamics.summary import summary
from probes.result import ProbeResult, save_results
from probes.stats.intervals import wilson
from tests.helpers.pages import errors

pytestmark = pytest.mark.slow

MakeRun = Callable[..., Run]


def tiles(at: Any, key: str = "gallery_tiles") -> list[dict[str, Any]]:
    """The tiles of the grid with a key, in their order."""
    protos = [element.proto for element in at.get("bidi_component")]
    (found,) = [proto for proto in protos if proto.id.endswith(f"-{key}")]
    return json.loads(found.json)["tiles"]


def ids(at: Any) -> list[int]:
    return [tile["id"] for tile in tiles(at)]


def captions(at: Any) -> str:
    return "\n".join(element.value.replace("\\", "") for element in at.caption)


def first(table: Any, column: str, largest: bool) -> list[int]:
    """Ids of the first page by a column, ties by id."""
    return table.sort_values([column, "sample_id"], ascending=[not largest, True])["sample_id"].tolist()[:60]


WHO: dict[str, Callable[[Any], list[int]]] = {
    "clean-routed": lambda t: first(t[(t.cause == "clean") & t.routed_last], "gate_last", True),
    "corrupted-skipped": lambda t: first(t[(t.cause != "clean") & ~t.routed_last], "gate_last", False),
    "flips": lambda t: first(t[t.route_flips > 0], "route_flips", True),
    "longest": lambda t: first(t[t.routed_epochs > 0], "routed_epochs", True),
    "clean-hard": lambda t: first(t[t.cause == "clean"], "loss_mean", True),
    "corrupted-easy": lambda t: first(t[t.cause != "clean"], "loss_mean", False),
    "forgotten": lambda t: first(t[t.forgetfulness > 0], "forgetfulness", True),
}


@pytest.mark.parametrize("preset", WHO)
def test_the_tiles_are_numpys(preset: str, make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=6)
    at = open_page("gallery", run=run.name, preset=preset)
    assert not errors(at)
    assert ids(at) == WHO[preset](summary(run))


def test_only_what_passes_the_filter_is_shown(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=6)
    table = summary(run)
    at = open_page("gallery", run=run.name, preset="clean-hard", **{"class": "3,4"})
    assert ids(at) == WHO["clean-hard"](table[table.clean_label.isin([3, 4])])
    at = open_page("gallery", run=run.name, preset="clean-routed", route="skipped")
    assert not at.get("bidi_component")
    assert "No sample matches this preset" in at.info[0].value


def test_the_cursor_judges_the_routes(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=6)
    log = run.sample_log()
    samples = log.samples("train")
    at = open_page("gallery", run=run.name, preset="clean-routed", epoch="2")
    routed, gate = log.values("train", "routed")[1][1], log.values("train", "gate")[1][1]
    who = np.flatnonzero(routed & (samples.cause == "clean"))
    order = who[np.lexsort((samples.sample_id[who], -gate[who]))][:60]
    assert ids(at) == samples.sample_id[order].tolist()
    assert [tile["number"] for tile in tiles(at)] == [f"g {value:.3f}" for value in gate[order]]
    assert all(tile["route"] == "routed" for tile in tiles(at))


def test_the_hardest_by_a_score_put_the_never_learned_first(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=6, unseen={epoch: [0] for epoch in range(1, 7)})
    table = summary(run)
    at = open_page("gallery", run=run.name, preset="hardest", score="first_learned_epoch")
    rank = table.first_learned_epoch.astype(float).fillna(np.inf).where(table.epochs_logged > 0)
    table["rank"] = rank
    assert ids(at) == first(table[rank.notna()], "rank", True)
    assert tiles(at)[0]["number"] == ("never" if np.isinf(rank.max()) else f"{rank.max():.0f}")
    at = open_page("gallery", run=run.name, preset="hardest", score="aum")
    assert ids(at) == first(table[table.epochs_logged > 0], "aum", False)


def test_pages_go_on_where_the_last_ended(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=6)
    at = open_page("gallery", run=run.name, preset="clean-hard", page="2")
    table: Any = summary(run)
    order = table[table.cause == "clean"].sort_values(["loss_mean", "sample_id"], ascending=[False, True])
    assert ids(at) == order["sample_id"].tolist()[60:120]
    (pager,) = at.get("pagination")
    assert pager.num_pages == -(-len(order) // 60)
    # Back from a sample by the navigation, which drops the URL's words.
    at.switch_page("views/sample.py").run()
    at.query_params.clear()
    at.switch_page("views/gallery.py").run()
    assert ids(at) == order["sample_id"].tolist()[60:120]
    # Another filter begins at the first page; the selectbox as well.
    at.radio(key="pick_route").set_value("routed").run()
    assert at.query_params["page"] == "1"
    at.query_params["page"] = "2"
    at.run()
    at.selectbox(key="gallery_preset").set_value("random").run()
    assert (at.query_params["page"], at.query_params["preset"]) == ("1", "random")
    assert not at.exception


WRONG = {
    "preset": ("ugly", "There is no preset 'ugly' here: there is clean-routed, corrupted-skipped"),
    "size": ("1000", "There is no size '1000' here: there is 64, 48, 96."),
    "look": ("x-ray", "There is no look 'x-ray' here: there is given, clean, difference."),
    "page": ("9", "There is no page '9' here: give a whole number from 1 to"),
}


@pytest.mark.parametrize("param", WRONG)
def test_a_wrong_word_in_the_url_is_a_sentence(param: str, make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    value, sentence = WRONG[param]
    at = open_page("gallery", run=run.name, **{param: value})
    assert len(errors(at)) == 1
    assert errors(at)[0].startswith(sentence)
    assert tiles(at)


def test_a_random_draw_depends_on_run_and_seed_alone(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300)
    at = open_page("gallery", run=run.name, preset="random", seed="3")
    drawn = ids(at)
    assert ids(open_page("gallery", run=run.name, preset="random", seed="3")) == drawn
    at.button(key="gallery_draw").click().run()
    assert at.query_params["seed"] == "4"
    assert ids(at) != drawn
    everyone = np.arange(300)
    np.testing.assert_array_equal(
        gallery.drawn(everyone, "a", "train", 0), gallery.drawn(everyone[::-1], "a", "train", 0)
    )
    assert sorted(gallery.drawn(everyone, "a", "train", 0)) == everyone.tolist()


def test_critical_samples_need_the_probe_and_the_command_is_said(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    at = open_page("gallery", run=run.name, preset="critical")
    assert at.code[0].value == f"memgate probe csr {run.path}"
    probed = np.array([9, 4, 30, 2])
    values = {"critical_radius": np.array([0.5, 0.1, 0.1, 2], np.float32)}
    save_results(run, "csr", [ProbeResult("csr", "train", 4, "first-order", "last", probed, values, {})])
    at = open_page("gallery", run=run.name, preset="critical")
    assert ids(at) == [4, 30, 9, 2]
    assert [tile["number"] for tile in tiles(at)] == ["r 0.100", "r 0.100", "r 0.500", "r 2.000"]


def test_the_first_of_them_become_the_selection(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300)
    at = open_page("gallery", run=run.name, preset="clean-hard")
    expected = ids(at)[:5]
    at.number_input(key="gallery_first_clean-hard").set_value(5)
    at.button(key="gallery_select").click().run()
    assert at.session_state["view"].selected.ids.tolist() == sorted(expected)
    at.switch_page("views/gallery.py")
    at.query_params["preset"] = "selection"
    at.run()
    assert ids(at) == sorted(expected)


def test_ungated_and_clean_runs_offer_what_makes_sense(make_run: MakeRun, open_page: Any) -> None:
    cause = np.array(["clean", "label"])
    assert list(gallery.presets(False, cause, True, False)) == [
        "clean-hard", "corrupted-easy", "forgotten", "critical", "hardest", "random",
    ]  # fmt: skip
    assert list(gallery.presets(True, cause[:1], False, True)) == [
        "clean-routed", "flips", "longest", "clean-hard", "forgotten", "hardest", "selection", "random",
    ]  # fmt: skip
    assert "clean-hard" not in gallery.presets(True, cause[1:], False, False)
    run = make_run(noise=("symmetric:0.3",))
    at = open_page("gallery", run=run.name, look="difference")
    assert not errors(at)
    assert "There is no look 'difference' here." in captions(at)


def test_a_preset_that_only_other_runs_have_is_nobodys_mistake(make_run: MakeRun, open_page: Any) -> None:
    run, plain = make_run(), make_run(name="plain", gates=())
    at = open_page("gallery", run=run.name)
    at.sidebar.selectbox(key="pick_run").set_value(plain.name).run()
    assert not errors(at)
    assert "There is no preset 'clean-routed' here." in captions(at)
    assert tiles(at)


@given(st.lists(st.sampled_from([0.0, 1.0, np.nan, np.inf]), max_size=20), st.booleans())
def test_equal_values_are_in_the_order_of_their_ids(values: list[float], largest: bool) -> None:
    who = np.arange(100, 100 - len(values), -1)
    found = gallery.ordered(who, np.ones(len(who), bool), np.array(values), largest)
    of = dict(zip(who.tolist(), values, strict=True))
    expected = sorted(
        (one for one in of if not np.isnan(of[one])), key=lambda one: (-of[one] if largest else of[one], one)
    )
    assert found.tolist() == expected


@pytest.mark.parametrize("shape", [(32, 32), (8, 24), (24, 8), (200, 100), (1, 300)])
@pytest.mark.parametrize("size", [48, 64, 96])
def test_the_longer_side_of_any_picture_is_the_size_asked_for(shape: tuple[int, int], size: int) -> None:
    width, height = extent(*shape, size)
    assert max(width, height) == size
    assert min(width, height) >= 1
    pictures = np.random.default_rng(0).integers(0, 256, (13, *shape, 3), np.uint8)
    sheet = sprite(pictures)
    rows, columns = sheet.shape[0] // 2, sheet.shape[1] // 10
    if max(shape) <= 96:
        np.testing.assert_array_equal(sheet[rows : 2 * rows, 2 * columns : 3 * columns], pictures[12])
    assert Image.fromarray(sheet).size == (10 * columns, 2 * rows)


def test_damaged_data_leaves_the_tiles(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(seed=4)
    run.config.data.root.unlink()
    at = open_page("gallery", run=run.name, preset="clean-hard")
    assert len(errors(at)) == 1
    assert "There is no data file" in errors(at)[0]
    assert len(tiles(at)) == 60


def stored_routing(run: Run, epoch: int, who: list[int], memorised: list[int], skipped: list[float]) -> None:
    """A result of the routing probe in which the given label has p = 0.9 as learned."""
    p_given = np.array([[0.9] * len(who), skipped], np.float32)
    held = np.array(memorised, bool)
    values = {
        "p_given": p_given,
        "fits_given": np.stack([held, np.zeros_like(held)]),
        "memorised_by_b3": held,
    }
    config = {"routes": ["learned", "skip"], "blocks": ["b3"]}
    save_results(
        run, "routing", [ProbeResult("routing", "train", epoch, "intervention", "last", np.array(who), values, config)]
    )  # fmt: skip


def test_memorised_by_the_block_are_the_routing_probes_corrupted_samples(
    make_run: MakeRun, open_page: Any
) -> None:
    run = make_run(n=300, epochs=6)
    samples = run.sample_log().samples("train")
    wrong = samples.sample_id[samples.cause != "clean"][:4].tolist()
    clean = samples.sample_id[samples.cause == "clean"][:1].tolist()
    at = open_page("gallery", run=run.name, preset="memorised")
    assert at.code[0].value == f"memgate probe routing {run.path}"
    assert not at.get("bidi_component")
    stored_routing(run, 4, [*wrong, *clean], [1, 0, 1, 1, 1], [0.5, 0.1, 0.1, 0.5, 0.0])
    at = open_page("gallery", run=run.name, preset="memorised")
    assert not errors(at)
    assert ids(at) == [wrong[2], *sorted([wrong[0], wrong[3]])]
    assert [tile["number"] for tile in tiles(at)] == ["p -0.80", "p -0.40", "p -0.40"]
    low, high = wilson(3, 3)
    said = f"Probed: 5 samples, at epoch 4. Skipping the block loses the fit of 100.0% [{100 * low:.1f}, "
    assert f"{said}{100 * high:.1f}] of the fitted corrupted samples and of 100.0% [" in captions(at)
    # Before the checkpoint a command would not help: there is a result of a later epoch.
    at = open_page("gallery", run=run.name, preset="memorised", epoch="3")
    assert "There is a result of epoch 4: set the epoch in the sidebar to it." in at.info[0].value
    assert not at.code


def test_a_damaged_result_of_a_probe_leaves_the_other_presets(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    stored_routing(run, 4, [1, 2], [1, 1], [0.5, 0.1])
    (run.path / "probes" / "routing.h5").write_bytes(b"nothing")
    at = open_page("gallery", run=run.name, preset="memorised")
    assert len(errors(at)) == 1
    assert not at.exception
    at.selectbox(key="gallery_preset").set_value("clean-hard").run()
    assert ids(at)
    assert not errors(at)
