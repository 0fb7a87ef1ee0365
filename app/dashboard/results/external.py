"""External labels and hardness from the files of ``memgate dashboard --join``, for the runs whose data they fit.

Read once for each state of the files; joined to a split only after a check that both are about the same samples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import logs
from app.dashboard.logs import Stamp
from app.dashboard.view.state import View
from memgate.errors import MemgateError
from noise.errors import NoiseError
from probes.external.load import OWN_COLUMNS, file_of, load_externals
from probes.external.record import External, aligned, check_data
from probes.scores.catalogue import Score


@dataclass(frozen=True, eq=False)
class Join:
    """One external file, joined to the samples of a split."""

    external: External
    values: NDArray[np.float64]
    """[N] in the log's order; NaN where the file has no value."""
    checked: str
    """How the order of the samples was checked."""

    @cached_property
    def score(self) -> Score:
        """The values as a score; its column is the name given by the user."""
        one = self.external
        meaning = f"{one.what}; {self.checked}"
        return Score(one.name, one.title, "file", one.direction, -math.inf, math.inf, "", meaning)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Joins:
    """The files that fit a split by name, and a message for each that is about the split and does not fit."""

    by_name: dict[str, Join] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def set_joins(texts: Sequence[str]) -> None:
    """Keep the command line's values of ``--join`` for all pages."""
    st.session_state["joins"] = tuple(texts)


def joins(view: View) -> dict[str, Join]:
    """The files joined to the split of a view, by the name given by the user."""
    return _of(view).by_name


def problems(view: View) -> tuple[str, ...]:
    """A message for each file that cannot be read or does not fit the run."""
    return _of(view).problems


def _of(view: View) -> Joins:
    texts: tuple[str, ...] = st.session_state.get("joins", ())
    return _aligned(texts, file_state(), view.at, view.split, view.run.outline.data) if texts else Joins()


def file_state() -> tuple[int, ...]:
    """Time of change of the joined files, for the keys of caches."""
    return tuple(map(_changed, st.session_state.get("joins", ())))


def _changed(text: str) -> int:
    """Time of change of the file in a value of ``--join``; 0 where there is no such file."""
    path = file_of(text)
    return path.stat().st_mtime_ns if path.is_file() else 0


@st.cache_resource(max_entries=4, show_spinner="Reading the joined files …")
def _loaded(texts: tuple[str, ...], changed: tuple[int, ...]) -> tuple[tuple[External, ...], str]:
    """Contents of the files and an empty text; or () and a message."""
    try:
        return load_externals(texts, OWN_COLUMNS), ""
    except (MemgateError, NoiseError) as error:
        return (), str(error)


@st.cache_resource(max_entries=64, show_spinner=False)
def _aligned(texts: tuple[str, ...], changed: tuple[int, ...], at: Stamp, split: str, source: str) -> Joins:
    externals, problem = _loaded(texts, changed)
    data, classes = logs.split_data(at, split), len(logs.log(at).class_names)
    table = pd.DataFrame({"sample_id": data.sample_id, "clean_label": data.clean_label})
    joined, wrong = {}, [problem] if problem else []
    for one in externals:
        if one.split != split:
            continue
        try:
            check_data(one, source, classes)
            values, checked = aligned(one, table)
        except MemgateError as error:
            wrong.append(f"{one.name} is not joined: {error}")
            continue
        values.setflags(write=False)
        joined[one.name] = Join(one, values, checked)
    return Joins(joined, tuple(wrong))
