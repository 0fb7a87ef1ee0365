"""Vulnerability to membership inference: the attacks' figures, the distribution, and the most vulnerable pictures."""

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard.components.heading import heading
from app.dashboard.components.tiles import LEGEND, tiles
from app.dashboard.parts.filters.choice import option
from app.dashboard.parts.memorisation.by_cause import distribution
from app.dashboard.results.memorisation import Measured
from app.dashboard.sentences import escaped
from app.dashboard.view import state
from probes.memorisation.table import TITLES, attack_row

TILES = 40


def vulnerability(measured: Measured) -> None:
    """Everything about the attacks at their last epoch up to the epoch shown."""
    result, view = measured.result, measured.view
    if measured.attack_row is None:
        st.info(
            f"Attacks were carried out at epoch {', '.join(map(str, result.attack_epochs.tolist()))} only: set the "
            "epoch in the sidebar to it, or estimate again with --attacks all."
        )
        return
    known = [attack for attack in TITLES if attack in result.vulnerability]
    attack = option("attack", "Attack", known, [TITLES[one] for one in known], "vulnerability")
    share, gap = measured.attacked(attack, "share"), measured.attacked(attack, "gap")
    low = measured.attacked(attack, "low")
    epoch = int(result.attack_epochs[measured.attack_row])
    left, right = st.columns([2, 3], gap="medium")
    with left:
        heading(f"Vulnerability at epoch {epoch}", "by cause; drag to select", "vulnerability", "cause")
        distribution(measured, share, f"vulnerability to {TITLES[attack]}", "vulnerability")
    with right:
        heading("Was a model trained on a sample?", "each model in turn the target", "vulnerability")
        rows = [attack_row(result, name, measured.attack_row) for name in known]
        st.dataframe(pd.DataFrame(rows), hide_index=True, key="attacks")
        surely = view.members & (low > 0.5)
        st.button(
            f"Select the {int(surely.sum()):,} samples named more often than by chance", key="select_vulnerable",
            disabled=not surely.any(), on_click=state.select_places,
            args=(view, surely, f"vulnerable to {TITLES[attack]}: whole 95 % interval above 0.5"),
        )  # fmt: skip
        st.caption(
            "Brackets: 95 % intervals over blocks of models. Chance is AUC 0.5 and TPR = FPR; a dash: too few samples "
            "for the FPR. About 2.5 % of samples that are not vulnerable have their whole interval above 0.5."
        )
    heading("Most vulnerable pictures", "click a picture to open the sample", "vulnerability")
    places = np.flatnonzero(view.members & ~np.isnan(share))
    places = places[np.lexsort((view.data.sample_id[places], -gap[places], -share[places]))][:TILES]
    mem = measured.values("mem")
    numbers = [f"{share[at]:.2f}, mem {mem[at]:.2f}" for at in places.tolist()]
    tiles(view, view.data.sample_id[places], f"vulnerable_{attack}", size=64, numbers=numbers)
    st.caption(
        escaped(f"Among equal ones those with the larger mean score of members minus others first. {LEGEND}")
    )
