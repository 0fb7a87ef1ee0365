"""The left of the page Sample: summary sentence, images, labels and predictions."""

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import run_data, sentences
from app.dashboard.components import thumbnails
from app.dashboard.parts.sample import findings, ranks
from app.dashboard.parts.sample.track import Track
from app.dashboard.results import probe_results
from app.dashboard.view import state
from memgate.errors import MemgateError
from memgate.log.format import UNKNOWN

SIDE, SMALL = 256, 116
"""Pixels to which the given image and the two others are enlarged, by a whole factor: 8 and 3 for 32 pixels."""


def verdict(track: Track) -> None:
    """Show the summary: corruption, fit, routes, and predictions without a block, in one sentence."""
    view, rows = track.view, track.known_of("pred")
    predicted = track.class_name(int(track("pred")[rows[-1]])) if len(rows) else ""
    parts = [
        sentences.label_state(track.cause, track.class_name(track.given), track.class_name(track.clean)),
        sentences.learning(track.cause, track("correct_given")[rows], view.data.epochs[rows], predicted),
        *(sentences.routed_through(gate, *_routes(track, gate)) for gate in track.gates),
    ]
    without = findings.without_blocks(track)
    st.markdown(f"**{sentences.escaped(sentences.verdict(parts, without))}**")
    fitted = len(rows) and track("correct_given")[rows[-1]]
    can_be_probed = not view.run.recorded and not probe_results.unskippable(view)
    if fitted and track.cause not in ("clean", UNKNOWN) and view.gate and not without and can_be_probed:
        name = sentences.escaped(view.gate.upper())
        st.caption(
            f"Whether {name} memorised it can only be tested by skipping {name}: see the results of probes below."
        )


def pictures(track: Track) -> None:
    """Show the image as given; where it was corrupted, also as it was before, and the difference."""
    view, sample_id = track.view, track.sample_id
    try:
        both = run_data.pictures(view.run, view.split).of(sample_id)
    except MemgateError as error:
        state.problem(error)
        return
    if both is None:
        state.problem(f"There is no image with the id {sample_id} in the split {view.split}.")
        return
    given, clean = both
    unchanged = clean is not None and np.array_equal(given, clean)
    caption = f"sample {sample_id}, image unchanged" if unchanged else f"sample {sample_id} as given"
    with st.container(horizontal=True, gap="small"):
        st.html(thumbnails.enlarged(given, SIDE, caption), width="content")
        if clean is not None and not unchanged:
            with st.container(width="content", gap="xsmall"):
                st.html(thumbnails.enlarged(clean, SMALL, "before corruption"), width="content")
                st.html(
                    thumbnails.enlarged(
                        thumbnails.difference(given, clean), SMALL, f"difference × {thumbnails.BRIGHTER}"
                    ),
                    width="content",
                )


def facts(track: Track) -> None:
    """Show labels, predictions, corruption, fit and routes, one by one."""
    view, rows = track.view, track.known
    names = {"Given label": track.given}
    if track.cause != UNKNOWN:
        names["Clean label"] = track.clean
    if len(rows):
        epoch = view.data.epochs[rows[-1]]
        names[f"Predicted at epoch {epoch}"] = int(track("pred")[rows[-1]])
        guesses = {gate: int(track("gate_pred", gate)[rows[-1]]) for gate in track.gates}
        # A gate without a classifier of its own has no prediction.
        known = {gate: label for gate, label in guesses.items() if label < len(view.log.class_names)}
        names |= {f"Predicted by {gate.upper()}'s gate": label for gate, label in known.items()}
    names |= ranks.annotator_labels(track)
    # A table shows text without Markdown: class names are the user's.
    table = pd.DataFrame(
        {"what": list(names), "class": [track.class_name(label) for label in names.values()]}
    )
    st.dataframe(table, hide_index=True, column_config={"what": "", "class": "class"}, key="facts")
    ranks.votes(track)
    fit_rows = track.known_of("pred")
    lines = [
        _corruption(track),
        sentences.fit(
            track.cause,
            track("correct_given")[fit_rows],
            track("correct_clean")[fit_rows],
            view.data.epochs[fit_rows],
        ),
        *(sentences.routing(gate, *_routes(track, gate)) for gate in track.gates),
    ]
    if len(track.gates) < len(view.log.gates):
        lines.append(f"Of the {len(view.log.gates)} gates this is the one set in the sidebar.")
    st.markdown("  \n".join(sentences.escaped(sentence) for sentence in lines if sentence))


def _routes(track: Track, gate: str) -> tuple[NDArray[np.bool_], int]:
    """Routes by a gate in the epochs in which they are known, and the number of epochs seen in which they are not."""
    rows = track.known_of("routed", gate)
    return track("routed", gate)[rows], len(track.known) - len(rows)


def _corruption(track: Track) -> str:
    """Corruption of the sample by the manifest, as a sentence."""
    view, samples, at = track.view, track.view.data.samples, track.position
    try:
        kinds = run_data.operation_kinds(view.run)
        label_kind, image_kind = kinds[samples.label_op[at]], kinds[samples.image_op[at]]
        if track.cause == "open":
            image_kind += f", {run_data.image_source(view.run, view.split, track.sample_id)}"
    except (MemgateError, IndexError) as error:
        state.problem(error if isinstance(error, MemgateError) else "The manifest is not this log's.")
        label_kind, image_kind = (
            "unknown" if op[at] else "none" for op in (samples.label_op, samples.image_op)
        )
    given, clean = track.class_name(track.given), track.class_name(track.clean)
    return sentences.corruption(track.cause, given, clean, label_kind, image_kind)
