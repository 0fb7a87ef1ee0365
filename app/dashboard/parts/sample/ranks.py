"""Tables and tiles of the page Sample: ranks, events, other people's labels, and who has trained most like it."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import logs, run_data, sentences
from app.dashboard.components.tiles import tiles
from app.dashboard.logs import Stamp
from app.dashboard.parts.sample.track import Track
from app.dashboard.results import external, scores
from memgate.errors import MemgateError
from probes.dynamics.events import turns
from probes.scores.catalogue import CHECKPOINT
from probes.stats.percentiles import nearest, percentile

MAIN = (
    "loss_mean", "aum", "el2n_mean", "forgetfulness", "stable_learned_epoch", "gate_mean", "gate_last",
    "entropy_mean", "routed_epochs", *(score.column for score in CHECKPOINT),
)  # fmt: skip
"""The scores whose ranks are shown, beside whatever is joined."""

NEAREST = 20


def ranks(track: Track) -> None:
    """How hard the sample is by each main score, among all samples and among those of its class."""
    view, at = track.view, track.position
    found = scores.available(view)
    joined = external.joins(view)
    everyone = np.ones(len(view.data.sample_id), bool)
    fellows = view.data.clean_label == track.clean
    scores.fetch(view, ("epochs_logged", *MAIN))
    rows = []
    for column in (*MAIN, *joined):
        if column not in found:
            continue
        hardness = scores.hardness(view, column)
        score = found[column].score
        rows.append(
            {
                "score": score.title,
                "value": "never"
                if np.isinf(hardness[at])
                else _shown(float(scores.values(view, column)[at])),
                "harder": score.suspicious,
                "of all": percentile(hardness, at, everyone),
                "of its class": percentile(hardness, at, fellows),
            }
        )
    st.markdown("**How hard it is** · percentile in the split: 100 is the hardest")
    bar: dict[str, Any] = {
        name: st.column_config.ProgressColumn(format="%.1f", min_value=0, max_value=100, width=100)
        for name in ("of all", "of its class")
    }
    bar |= {name: st.column_config.TextColumn(width=65) for name in ("value", "harder")}
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="ranks",
        placeholder="–",
        height=35 * len(rows) + 38,
        column_config=bar,
    )
    for note in scores.stored_notes(view):
        st.caption(sentences.escaped(note))


def _shown(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.4g}"


def events(track: Track) -> None:
    """The epochs at which its fit or its route changed."""
    table = events_table(track)
    st.markdown("**When it changed** · up to the epoch shown")
    if len(table) == 0:
        st.caption("Neither its fit nor its route has changed between the logged epochs.")
        return
    st.dataframe(table, hide_index=True, key="events", height=min(35 * len(table) + 38, 318))


def events_table(track: Track) -> pd.DataFrame:
    """A row for each change of fit or route: epoch, what happened, and what the network then predicts."""
    rows, known = track.known, np.zeros(len(track.view.data.epochs), bool)
    known[rows] = True
    epochs = track.view.data.epochs
    correct = track("correct_given")
    found: list[tuple[int, str]] = []
    if len(rows) and correct[rows[0]]:
        found.append((int(epochs[rows[0]]), "fits its given label from the start"))
    for epoch, right in zip(*turns(correct, known, epochs), strict=True):
        again = any(what.startswith("fits") for _, what in found)
        found.append(
            (int(epoch), ("fits its given label" + (" again" if again else "")) if right else "forgotten")
        )
    for gate in track.gates:
        for epoch, routed in zip(*turns(track("routed", gate), known, epochs), strict=True):
            found.append(
                (int(epoch), f"{gate.upper()}: {'skipped → routed' if routed else 'routed → skipped'}")
            )
    found.sort(key=lambda one: one[0])
    pred = dict(zip(epochs.tolist(), track("pred").tolist(), strict=True))
    return pd.DataFrame(
        [{"epoch": epoch, "what": what, "predicts": track.class_name(pred[epoch])} for epoch, what in found],
        columns=["epoch", "what", "predicts"],
    )


def votes(track: Track) -> None:
    """What people said of the picture, where that was joined."""
    for name, join in external.joins(track.view).items():
        row = join.external.row(track.sample_id)
        votes = join.external.votes
        if row is None or votes is None:
            continue
        share = votes[row] / max(float(votes[row].sum()), 1e-12)
        order = [label for label in np.argsort(-votes[row], kind="stable").tolist() if votes[row][label] > 0]
        table: dict[str, Any] = {"class": [track.class_name(label) for label in order]}
        if np.array_equal(votes, np.round(votes)):
            table["votes"] = votes[row][order].astype(int)
        table["share"] = 100 * share[order]
        st.caption(f"People's votes ({sentences.escaped(name)})")
        percent = st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100)
        st.dataframe(
            pd.DataFrame(table), hide_index=True, key=f"votes_{name}", column_config={"share": percent}
        )


def annotator_labels(track: Track) -> dict[str, int]:
    """The class that each single person chose, by a name for the person."""
    found = {}
    for name, join in external.joins(track.view).items():
        row = join.external.row(track.sample_id)
        if row is not None:
            found |= {f"{name}, {who}": int(labels[row]) for who, labels in join.external.choices.items()}
    return found


def nearest_samples(track: Track) -> None:
    """The samples whose way over the epochs is nearest."""
    view = track.view
    quantity, what = ("gate", "gate value g") if view.gate else ("loss", "loss")
    ids, distances = _nearest(view.at, view.split, quantity, view.gate, view.epoch or 0, track.position)
    st.markdown(
        f"**Nearest in its {what} over the epochs** up to the one shown · root mean squared difference"
    )
    if len(ids) == 0:
        st.caption("No other sample shares an epoch with it.")
        return
    try:
        run_data.pictures(view.run, view.split)
    except MemgateError:  # which the sample's own picture has said
        st.caption(f"Without pictures; by their ids: {', '.join(map(str, ids.tolist()))}.")
        return
    tiles(view, ids, "alike", size=64, numbers=[f"{one:.3f}" for one in distances])


@st.cache_data(max_entries=500, show_spinner=False)
def _nearest(
    at: Stamp, split: str, quantity: str, gate: str | None, epoch: int, position: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    data = logs.split_data(at, split)
    values = logs.matrix(at, split, quantity, gate if quantity == "gate" else None)
    places, distances = nearest(values[data.epochs <= epoch], position, NEAREST)
    return data.sample_id[places], distances
