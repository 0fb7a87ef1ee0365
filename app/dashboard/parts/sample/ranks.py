"""Tables and tiles of the page Sample: ranks, events, labels by annotators, and the most similar samples."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import logs, run_data, sentences
from app.dashboard.components.heading import heading
from app.dashboard.components.tiles import tiles
from app.dashboard.glossary import SCORE_TERMS
from app.dashboard.logs import Stamp
from app.dashboard.parts.sample.track import Track
from app.dashboard.results import external, scores
from memgate.errors import MemgateError
from probes.dynamics.events import turns
from probes.scores.catalogue import CHECKPOINT
from probes.stats.estimate import short
from probes.stats.percentiles import nearest, percentile

MAIN = (
    "loss_mean", "aum", "el2n_mean", "forgetfulness", "stable_learned_epoch", "gate_mean", "gate_last",
    "entropy_mean", "routed_epochs", "macs_mean", "macs_last", *(score.column for score in CHECKPOINT),
)  # fmt: skip
"""The scores whose ranks are shown, before those of the group and those that are joined."""

NEAREST = 20


def ranks(track: Track) -> None:
    """Table of percentiles of the sample by each main score, among all samples and among those of its class."""
    view, at = track.view, track.position
    available = scores.available(view)
    beside = scores.beside(view)
    all_samples = np.ones(len(view.data.sample_id), bool)
    same_class = view.data.clean_label == track.clean
    scores.fetch(view, ("epochs_logged", *MAIN))
    rows = []
    for column in (*MAIN, *beside):
        if column not in available:
            continue
        hardness = scores.hardness(view, column)
        score = available[column].score
        rows.append(
            {
                "score": score.title,
                "value": "never"
                if score.never and np.isinf(hardness[at])
                else _shown(float(scores.values(view, column)[at])),
                "harder": score.suspicious,
                "of all": percentile(hardness, at, all_samples),
                "of its class": percentile(hardness, at, same_class),
            }
        )
    heading("Rank by hardness", "percentile in the split: 100 is the hardest", *SCORE_TERMS, "forgotten")
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
    return "–" if np.isnan(value) else short(value, 4)


def events(track: Track) -> None:
    """Table of the epochs in which the fit or the route of the sample changed."""
    table = events_table(track)
    heading("Changes of fit and route", "up to the epoch shown", "fitted", "forgotten", "routed")
    if len(table) == 0:
        st.caption("Neither its fit nor its route changes between the logged epochs.")
        return
    st.dataframe(table, hide_index=True, key="events", height=min(35 * len(table) + 38, 318))


def events_table(track: Track) -> pd.DataFrame:
    """A row for each change of fit or route: epoch, change, and the class predicted in that epoch."""
    epochs = track.view.data.epochs

    def known_in(name: str, gate: str | None = None) -> NDArray[np.bool_]:
        return np.isin(np.arange(len(epochs)), track.known_of(name, gate))

    rows, correct = track.known_of("pred"), track("correct_given")
    changes: list[tuple[int, str]] = []
    if len(rows) and correct[rows[0]]:
        changes.append((int(epochs[rows[0]]), "fits its given label from the start"))
    for epoch, right in zip(*turns(correct, known_in("pred"), epochs), strict=True):
        again = any(what.startswith("fits") for _, what in changes)
        changes.append(
            (int(epoch), ("fits its given label" + (" again" if again else "")) if right else "forgotten")
        )
    for gate in track.gates:
        known = known_in("routed", gate)
        for epoch, routed in zip(*turns(track("routed", gate), known, epochs), strict=True):
            changes.append(
                (int(epoch), f"{gate.upper()}: {'skipped → routed' if routed else 'routed → skipped'}")
            )
    changes.sort(key=lambda one: one[0])
    pred = dict(zip(epochs.tolist(), track("pred").tolist(), strict=True))
    return pd.DataFrame(
        [
            {"epoch": epoch, "what": what, "predicts": track.class_name(pred[epoch])}
            for epoch, what in changes
        ],
        columns=["epoch", "what", "predicts"],
    )


def votes(track: Track) -> None:
    """Table of the votes of annotators for each class, where a file with votes was joined."""
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
        st.caption(f"Votes of annotators ({sentences.escaped(name)})")
        percent = st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100)
        st.dataframe(
            pd.DataFrame(table), hide_index=True, key=f"votes_{name}", column_config={"share": percent}
        )


def annotator_labels(track: Track) -> dict[str, int]:
    """Class that each annotator chose, by a name for the annotator."""
    labels_of = {}
    for name, join in external.joins(track.view).items():
        row = join.external.row(track.sample_id)
        if row is not None:
            labels_of |= {
                f"{name}, {annotator}": int(labels[row])
                for annotator, labels in join.external.choices.items()
            }
    return labels_of


def nearest_samples(track: Track) -> None:
    """Tiles of the samples with the most similar curve of g (or of the loss) over the epochs."""
    view = track.view
    quantity, title = ("gate", "gate value g") if view.gate else ("loss", "loss")
    ids, distances = _nearest(view.at, view.split, quantity, view.gate, view.epoch or 0, track.position)
    heading(
        f"Most similar samples by {title} over the epochs",
        "up to the epoch shown; root mean squared difference",
        *(("g",) if view.gate else ()),
    )
    if len(ids) == 0:
        st.caption("No other sample was seen in the same epochs.")
        return
    try:
        run_data.pictures(view.run, view.split)
    except MemgateError:  # already shown for the image of the sample
        st.caption(f"The images are not available. Ids: {', '.join(map(str, ids.tolist()))}.")
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
