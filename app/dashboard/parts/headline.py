"""The headline numbers at the top of the page Overview."""

import streamlit as st

from app.dashboard import run_folders, sentences
from app.dashboard.results.headline import headline
from app.dashboard.view.state import View
from probes.stats.estimate import interval_text, value_text

PASSES = {"eval": "evaluation passes", "online": "the training passes"}
"""Log mode to the passes in which the values were logged."""


def metrics(view: View) -> None:
    """Six numbers of the epoch shown, as ``memgate report`` prints them."""
    numbers = headline(view)
    name = sentences.escaped(view.gate.upper()) if view.gate else ""
    cells = [
        ("Test accuracy", numbers.test_accuracy, "{:.1%}", "Share of the test images that are predicted correctly."),
        ("Corrupted samples fitted", numbers.corrupted_fitted, "{:.1%}",
         "Share of the corrupted training samples that are predicted as their given label, that is, memorised."),
        (f"Corrupted samples routed through {name}", numbers.routed_corrupted, "{:.1%}",
         "Share of the corrupted training samples with a gate value g > 0.5 (0: the block is skipped, 1: all of it is "
         "used)."),
        (f"Clean samples routed through {name}", numbers.routed_clean, "{:.1%}",
         "Share of the clean training samples with a gate value g > 0.5."),
        ("AUROC of mean g", numbers.gate, "{:.3f}",
         "How well the mean of g over the epochs separates corrupted from clean samples; 0.5 is chance, 1 the best."),
        ("AUROC of mean loss", numbers.loss, "{:.3f}",
         "How well the mean loss over the epochs separates corrupted from clean samples; 0.5 is chance, 1 the best."),
    ]  # fmt: skip
    if not view.gate:
        cells = [cells[0], cells[1], cells[5]]
    for column, (label, number, form, meaning) in zip(
        st.columns(len(cells), gap="small"), cells, strict=True
    ):
        known = number is not None and number.low is not None
        interval = interval_text(number, form) if known else None
        column.metric(
            label, value_text(number, form), interval, delta_color="off", delta_arrow="off", help=meaning
        )
    st.caption(
        f"Training samples (and test accuracy) at epoch {view.epoch} of {view.run.outline.epochs} "
        f"({run_folders.status(view.run).state}). Grey: 95 % interval; logged in {PASSES[view.log.mode]}."
    )
