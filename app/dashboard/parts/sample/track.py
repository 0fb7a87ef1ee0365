"""One sample of a view: its column of the log, and its charts over the epochs."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import logs, palette, sentences
from app.dashboard.charts import gate_matrix as gate_matrix_charts
from app.dashboard.charts import sample as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.parts import gate_matrix
from app.dashboard.results import over_epochs
from app.dashboard.view.state import View
from memgate.log.format import UNKNOWN, has_value
from probes.samples.columns import SHOWN_GATES


@dataclass(frozen=True)
class Track:
    """The column of one sample in the log's matrices."""

    view: View
    position: int

    def __call__(self, name: str, gate: str | None = None) -> NDArray[Any]:
        """A quantity of this sample at every epoch, [E]."""
        return logs.matrix(self.view.at, self.view.split, name, gate)[:, self.position]

    @cached_property
    def known(self) -> NDArray[np.intp]:
        """Rows of the epochs up to the epoch shown in which the sample was seen."""
        until = self.view.data.epochs <= (self.view.epoch or 0)
        return np.flatnonzero(self("seen") & until)

    def known_of(self, name: str, gate: str | None = None) -> NDArray[np.intp]:
        """Rows of the epochs up to the epoch shown in which a quantity or flag of the sample has a value."""
        values = has_value(self(self.view.log.decider(name), gate))
        return self.known[values[self.known]]

    @property
    def gates(self) -> tuple[str, ...]:
        """The gates that are shown: all where they are few, otherwise the sidebar's."""
        gates = self.view.log.gates
        return gates if len(gates) <= SHOWN_GATES or self.view.gate is None else (self.view.gate,)

    @property
    def sample_id(self) -> int:
        """Id of the sample."""
        return int(self.view.data.sample_id[self.position])

    @property
    def cause(self) -> str:
        """What is corrupted: ``clean`` or a cause."""
        return str(self.view.data.cause[self.position])

    @property
    def given(self) -> int:
        """Its given label."""
        return int(self.view.data.given_label[self.position])

    @property
    def clean(self) -> int:
        """Its clean label."""
        return int(self.view.data.clean_label[self.position])

    def class_name(self, label: int) -> str:
        """Name of a class of the data set."""
        return sentences.class_name(label, self.view.log.class_names)


def all_gates(track: Track, gate: str) -> None:
    """Heatmap of the sample's g at every gate, in which a click chooses the gate of the charts."""
    view, gates = track.view, track.view.log.gates
    heading(f"g of all {len(gates)} gates", "click a row to choose the gate of the charts", "g", "B3U06")
    values = over_epochs.gates_of_sample(view.at, view.split, track.position)
    gate_matrix.clickable(
        view,
        gate_matrix_charts.sample_matrix(view.data.epochs, gates, values, gates.index(gate)),
        "sample_gates",
        f"Heatmap: g of sample {track.sample_id} at {len(gates)} gates over the epochs",
    )


def trajectories(track: Track) -> None:
    """Charts of the sample over the epochs with the quartiles of the clean samples and, on request, of its class."""
    view = track.view
    with st.container(horizontal=True, vertical_alignment="center"):
        of_gate = f", {view.gate.upper()}" if view.gate else ""
        terms = ("g", "H", "nats", "p(given)", *(("MACs",) if view.log.has_macs else ()))
        heading(f"Over the epochs{of_gate}", "grey line: the epoch shown", *terms)
        compared = st.toggle(
            "Clean samples of its class", key="own_class",
            help="Quartiles of the clean samples that have the same clean label.",
        )  # fmt: skip
    label = track.clean if compared else None

    def bands(*names: str, gate: str | None = None) -> dict[str, Any]:
        all_clean = {name: over_epochs.clean_quartiles(view.at, view.split, name, gate) for name in names}
        if label is None:
            return {"clean": all_clean, "cursor": view.epoch}
        same = {name: over_epochs.clean_quartiles(view.at, view.split, name, gate, label) for name in names}
        return {"clean": all_clean, "same": same, "cursor": view.epoch}

    epochs = view.data.epochs
    colour = palette.CAUSE_COLOURS[track.cause] if track.cause in ("clean", UNKNOWN) else palette.CORRUPTED
    if view.gate:
        figure = charts.gate_trajectory(
            epochs, track("gate", view.gate), track("entropy", view.gate), track("routed", view.gate),
            has_value(track("gate", view.gate)), colour=colour, **bands("gate", "entropy", gate=view.gate),
        )  # fmt: skip
        alt = f"g, H and route of sample {track.sample_id} over the epochs, with the quartiles of the clean samples"
        st.plotly_chart(figure, key="trajectory", config=CONFIG, alt=alt)
    else:
        st.caption("The network of this run has no gate: there is no g and no route.")
    macs = ("macs",) if view.log.has_macs else ()
    if view.gate and len(track.gates) < len(view.log.gates):
        all_gates(track, view.gate)
    figure = charts.fit_trajectory(
        epochs, track("loss"), track("p_given"), colour=colour,
        macs=track("macs") if macs else None, **bands("loss", "p_given", *macs),
    )  # fmt: skip
    clean = int(view.data.clean.sum())
    if clean > over_epochs.BAND_SAMPLES:
        st.caption(
            f"Bands: quartiles of at most {over_epochs.BAND_SAMPLES:,} of the {clean:,} clean samples."
        )
    curves = f"Loss{', MACs' if macs else ''} and probability of the given label"
    alt = f"{curves} of sample {track.sample_id} over the epochs"
    st.plotly_chart(figure, key="fit", config=CONFIG, alt=alt)
