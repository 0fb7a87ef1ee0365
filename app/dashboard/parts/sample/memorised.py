"""What the group's models say of one sample: mem with its interval, and what it influences or leans on."""

import numpy as np
import streamlit as st

from app.dashboard.charts import memorisation as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.components.tiles import tiles
from app.dashboard.group_curves import Band
from app.dashboard.parts.memorisation.by_cause import SIZE
from app.dashboard.parts.memorisation.influence import interval
from app.dashboard.parts.sample.track import Track
from app.dashboard.results import memorisation
from app.dashboard.results.memorisation import Measured
from app.dashboard.sentences import escaped
from app.dashboard.view import state
from memgate.errors import MemgateError
from probes.memorisation.influence import InfluencePairs, of_pairs
from probes.scores.of_group import ATTACK

MOST = 20
"""Pictures in a row of tiles."""


def memorisation_of(track: Track) -> None:
    """Show mem and influence; nothing for a run in no group, or without estimates up to the epoch shown."""
    try:
        measured = memorisation.measured(track.view)
    except MemgateError as error:
        state.problem(error)
        return
    if measured is None:
        return
    if track.view.split == "train":
        place = np.flatnonzero(measured.result.sample_id == track.sample_id)
        if len(place):
            _mem(measured, int(place[0]), track)
        for split, noun in (("test", "Test pictures"), ("train", "Other training pictures")):
            pairs = measured.influence(split)
            if pairs is not None and split in track.view.log.splits:
                own = of_pairs(pairs, pairs.source == track.sample_id)
                _pictures(track, own, split, f"{noun} that it influences", f"influenced_{split}")
    pairs = measured.influence(track.view.split)
    if pairs is not None:
        own = of_pairs(pairs, pairs.target == track.sample_id)
        _pictures(track, own, "train", "Training pictures that it leans on", "leans_on")


def _mem(measured: Measured, place: int, track: Track) -> None:
    """Sentence and curve of mem; ``place`` is that of the sample in the estimates."""
    result, row = measured.result, measured.row
    heading(
        f"Memorisation, from {len(result.models)} models", f"group {result.group}", "memorisation score (mem)"
    )
    one = {name: float(values[row, place]) for name, values in result.values.items() if values.ndim == 2}
    if np.isnan(one["mem"]):
        st.caption("No block of models has predicted this sample.")
        return
    text = (
        f"mem {one['mem']:.2f} [{one['mem_low']:.2f}, {one['mem_high']:.2f}] at epoch {measured.epoch}: its given "
        f"label is predicted by {one['right_in']:.0%} of the models that were trained on it and by "
        f"{one['right_out']:.0%} of the others. By p(given): "
        f"{one['mem_p']:.2f} [{one['mem_p_low']:.2f}, {one['mem_p_high']:.2f}]."
    )
    if measured.attack_row is not None and ATTACK in result.vulnerability:
        attack = {
            name: array[measured.attack_row, place] for name, array in result.vulnerability[ATTACK].items()
        }
        text += (
            f" LiRA names the model that was trained on it in {attack['share']:.0%} "
            f"[{attack['low']:.0%}, {attack['high']:.0%}] of pairs (50% is guessing)."
        )
    trained = bool(measured.trained[track.position])
    text += f" This run was {'' if trained else 'not '}trained on it. Brackets: 95 % intervals over models."
    st.markdown(escaped(text))
    curve = Band(*(result.values[name][:, place] for name in ("mem", "mem_low", "mem_high")), n=1)
    st.plotly_chart(
        charts.over_epochs(result.epochs, {"this sample": (track.cause, curve)}, "mem", measured.epoch, height=190),
        key="mem_of_sample", config=CONFIG, alt="Memorisation score of this sample over the epochs",
    )  # fmt: skip


def _pictures(track: Track, pairs: InfluencePairs, split: str, title: str, key: str) -> None:
    """Tiles of one side of pairs, the largest influence first; nothing where there is none."""
    if len(pairs.source) == 0:
        return
    ids = pairs.source if key == "leans_on" else pairs.target
    heading(title, f"{len(ids):,} at the last epoch; influence with its 95 % interval", "influence")
    numbers = [interval(pairs, at) for at in range(min(MOST, len(ids)))]
    tiles(track.view.of_split(split), ids[:MOST], key, size=SIZE, numbers=numbers)
