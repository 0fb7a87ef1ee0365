"""Which training pictures a picture leans on: pairs with a large influence, and the pictures of one target."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard import run_data, sentences
from app.dashboard.components import thumbnails
from app.dashboard.components.heading import heading
from app.dashboard.components.tiles import LEGEND, PAGE, tiles
from app.dashboard.parts.filters.choice import option
from app.dashboard.parts.memorisation.by_cause import SIZE as TILE
from app.dashboard.results.memorisation import Measured
from app.dashboard.sentences import escaped
from app.dashboard.view import selection, state
from app.dashboard.view.state import View
from app.dashboard.view.url import Address
from memgate.errors import MemgateError
from memgate.runs.run import command
from memgate.sweeps.grid import sweep_path
from probes.memorisation.influence import InfluencePairs, of_pairs
from probes.memorisation.stored import MemorisationResult

ROWS = 200
"""Targets in the table."""

SIDE = 150
"""Pixels to which the side of the target's image is enlarged, by a whole factor."""

TARGET, SPLIT = "target", "of"
"""Parameters of the URL."""

NAMES: Mapping[str, str] = {"test": "test pictures", "train": "training pictures"}
"""Split of the targets to its name."""


def influence(measured: Measured) -> None:
    """Everything about influence, at the last epoch that the models have."""
    view = measured.view
    stored = [split for split in NAMES if measured.influence(split) is not None and split in view.log.splits]
    if not stored:
        st.info("No influence was estimated (--pairs 0). Run this command, then reload the page:")
        st.code(
            command("probe memorisation", sweep_path(view.run.path.parent, measured.result.group)),
            language="bash",
        )
        return
    split = option(
        SPLIT, "Pictures that lean on training pictures", stored, [NAMES[one] for one in stored], "influence"
    )
    pairs = measured.influence(split)
    assert pairs is not None
    pairs = of_pairs(pairs, np.isin(pairs.source, view.data.sample_id[view.members]))
    st.caption(escaped(counted(measured.result, split)))
    if len(pairs.source) == 0:
        st.info("No pair is stored whose training picture passes the filter.")
        return
    targets = view.of_split(split)
    chosen = chosen_target(pairs)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        listed(targets, pairs)
    with right:
        leaned_on(measured, targets, pairs, chosen)


def counted(result: MemorisationResult, split: str) -> str:
    """How many pairs there are, and about how many of them are chance, in a sentence."""
    pairs, least = result.influence[split], result.config["influence"]
    return (
        f"{pairs.above:,} of {pairs.pairs:,} pairs have an influence of at least {least:g}, of training samples with "
        f"mem of at least {result.config['memorised']:g}; {pairs.below:,} have at most -{least:g}: about as many of "
        f"the first are chance. {len(pairs.source):,} are stored. At epoch {result.epochs[-1]}."
    )


def chosen_target(pairs: InfluencePairs) -> int:
    """Id of the chosen target: the URL's, else the one with the largest influence."""
    address = Address()
    text = address.params.get(TARGET) or st.session_state.get(f"kept_{TARGET}")
    known = set(pairs.target.tolist())
    wanted = selection.parse_id(text) if text else None
    if wanted is None or wanted not in known:
        if TARGET in address.params and wanted is None:
            address.problems.append(f"{address.params[TARGET][:40]!r} is no sample id: give a whole number.")
        wanted = int(pairs.target[0])
    address.keep(TARGET, str(wanted))
    address.write()
    return wanted


def listed(targets: View, pairs: InfluencePairs) -> None:
    """Table of the targets, the one with the largest influence first; a click on a row chooses it."""
    heading("Pictures that lean on others most", "click a row", "influence")
    ids, first, count = np.unique(pairs.target, return_index=True, return_counts=True)
    order = np.argsort(first, kind="stable")[:ROWS]  # pairs are sorted by falling influence
    ids, first, count = ids[order], first[order], count[order]
    names = targets.log.class_names
    labels = targets.data.given_label[targets.data.columns(ids)]
    table = pd.DataFrame({
        "sample": ids,
        "given label": [sentences.class_name(int(label), names) for label in labels],
        "largest influence": [interval(pairs, at) for at in first.tolist()],
        "of sample": pairs.source[first],
        "pairs": count,
    })  # fmt: skip
    event: Any = st.dataframe(
        table, hide_index=True, height=420, key=f"targets_{targets.split}_{len(ids)}", on_select="rerun",
        selection_mode=["single-row", "single-cell"],
    )  # fmt: skip
    row = selection.picked_row(event)
    if row is not None and row < len(ids) and str(ids[row]) != st.session_state.get(f"kept_{TARGET}"):
        st.session_state[f"kept_{TARGET}"] = str(ids[row])
        state.write_param(TARGET, str(ids[row]))
        state.rerun()


def interval(pairs: InfluencePairs, at: int) -> str:
    """Influence of a pair with its 95 % interval."""
    return f"{pairs.influence[at]:.2f} [{pairs.low[at]:.2f}, {pairs.high[at]:.2f}]"


def leaned_on(measured: Measured, targets: View, pairs: InfluencePairs, chosen: int) -> None:
    """The chosen target, and the training pictures that it leans on."""
    view = measured.view
    noun = "Test picture" if targets.split == "test" else "Training picture"
    heading(
        f"{noun} {chosen} and the training pictures that it leans on",
        "influence with its 95 % interval",
        "influence",
    )
    own = of_pairs(pairs, pairs.target == chosen)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        try:
            both = run_data.pictures(targets.run, targets.split).of(chosen)
        except MemgateError as error:
            state.problem(error)
            both = None
        label = int(targets.data.given_label[targets.data.columns(np.array([chosen]))[0]])
        name = sentences.class_name(label, targets.log.class_names)
        if both is not None:
            st.html(thumbnails.enlarged(both[0], SIDE, f"sample {chosen}: {name}"), width="content")
        if st.button("Open the sample", key="open_target", icon=":material/arrow_forward:"):
            state.open_sample(targets, chosen)
        st.button(
            f"Select the {len(own.source):,} training pictures", key="select_sources",
            disabled=state.view().split != "train", help="In the split train: set it in the sidebar.",
            on_click=state.select, args=(view, own.source, f"{noun.lower()} {chosen} leans on them"),
        )  # fmt: skip
    numbers = [interval(own, at) for at in range(min(PAGE, len(own.source)))]
    tiles(view, own.source[:PAGE], "sources", size=TILE, numbers=numbers)
    st.caption(LEGEND)
