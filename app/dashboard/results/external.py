"""Other people's labels and hardness, which ``memgate dashboard --join`` names: beside the runs whose data they fit.

Read once and kept by the state of the files; joined to a split only after a check that both mean the same samples.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import logs
from app.dashboard.logs import Stamp
from app.dashboard.view.state import View
from memgate.errors import MemgateError
from noise.errors import NoiseError
from probes.external.load import OWN_COLUMNS, load_externals
from probes.external.record import External, aligned
from probes.scores.catalogue import Score


@dataclass(frozen=True, eq=False)
class Join:
    """One of them, joined to the samples of a split."""

    external: External
    values: NDArray[np.float64]
    """[N] in the log's order; NaN where there is none."""
    checked: str
    """How the order was checked, in words."""

    @cached_property
    def score(self) -> Score:
        """It as a score like memgate's own; its column is the name that the user gave it."""
        one = self.external
        meaning = f"{one.what}; {self.checked}"
        return Score(one.name, one.name, "file", one.direction, -math.inf, math.inf, "", meaning)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Joins:
    """What fits a split by name, and a sentence for each that is about that split and does not fit."""

    found: dict[str, Join] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def set_joins(texts: Sequence[str]) -> None:
    """Keep what the command line wants joined, for the pages."""
    st.session_state["joins"] = tuple(texts)


def joins(view: View) -> dict[str, Join]:
    """What is joined to the split of a view, by the name that the user gave it."""
    return _of(view).found


def problems(view: View) -> tuple[str, ...]:
    """A sentence for each file that cannot be read or does not fit the run."""
    return _of(view).problems


def _of(view: View) -> Joins:
    texts: tuple[str, ...] = st.session_state.get("joins", ())
    return _aligned(texts, file_state(), view.at, view.split) if texts else Joins()


def file_state() -> tuple[int, ...]:
    """The state of the files that are joined, for the keys of caches: another one is read anew."""
    return tuple(map(_changed, st.session_state.get("joins", ())))


def _changed(text: str) -> int:
    """When the file that a text names was changed last; 0 where it names none."""
    named = re.match(r".+\.csv(?=:)|.*", text.partition("=")[2])
    path = Path(named[0] if named else "").expanduser()
    return path.stat().st_mtime_ns if path.is_file() else 0


@st.cache_resource(max_entries=4, show_spinner="Reading what is joined …")
def _loaded(texts: tuple[str, ...], changed: tuple[int, ...]) -> tuple[tuple[External, ...], str]:
    """The files' content; or nothing, and a sentence."""
    try:
        return load_externals(texts, OWN_COLUMNS), ""
    except (MemgateError, NoiseError) as error:
        return (), str(error)


@st.cache_resource(max_entries=64, show_spinner=False)
def _aligned(texts: tuple[str, ...], changed: tuple[int, ...], at: Stamp, split: str) -> Joins:
    externals, problem = _loaded(texts, changed)
    data = logs.split_data(at, split)
    table = pd.DataFrame({"sample_id": data.sample_id, "clean_label": data.clean_label})
    found, wrong = {}, [problem] if problem else []
    for one in externals:
        if one.split != split:
            continue
        try:
            values, checked = aligned(one, table)
        except MemgateError as error:
            wrong.append(f"{one.name} is not joined: {error}")
            continue
        values.setflags(write=False)
        found[one.name] = Join(one, values, checked)
    return Joins(found, tuple(wrong))
