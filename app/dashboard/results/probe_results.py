"""Stored results of probes on a run, read once for each state of their file, and their numbers by group."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import run_folders
from app.dashboard.logs import Stamp
from app.dashboard.view.state import View, root
from memgate.config.run import ModelConfig
from memgate.errors import MemgateError, reading
from memgate.runs.run import Run
from probes.csr import config as csr_config
from probes.csr.table import CriticalGroup, critical_groups
from probes.embedding import config as embedding_config
from probes.gates import config as gates_config
from probes.result import ProbeResult, load_results, probe_path
from probes.routing import routes
from probes.routing.control import comparison_rows
from probes.routing.routes import Contrast, check_blocks, contrasts, cuts_of, p_lost
from probes.samples.probe_groups import logged, probed_members

CSR, NEIGHBOURS, ROUTING, GATES = csr_config.PROBE, csr_config.NEIGHBOURS, routes.PROBE, gates_config.PROBE
EMBED, FEATURES = embedding_config.PROBE, embedding_config.FEATURES

FileState = tuple[int, int]
"""Size and time of change of a file."""


def results(view: View, probe: str) -> tuple[ProbeResult, ...]:
    """Stored results of a probe on the samples of the view's split, by epoch and variant; () for none.

    Args:
        view: run and split; the epoch shown does not matter.
        probe: ``csr``, ``routing`` or another file of the run's ``probes/``.

    Raises:
        MemgateError: the file is damaged or of another format.
    """
    state = file_state(view, probe)
    if state is None:
        return ()
    stored = _results(view.run, str(probe_path(view.run, probe)), probe, state)
    return tuple(result for result in stored if result.split == view.split)


def file_state(view: View, probe: str) -> FileState | None:
    """State of the file of a probe's results; None where there is none."""
    path = probe_path(view.run, probe)
    if not path.is_file():
        return None
    now = path.stat()
    return now.st_size, now.st_mtime_ns


# A result of 50,000 samples is a few MB.
@st.cache_resource(max_entries=12, show_spinner=False)
def _results(_run: Run, path: str, probe: str, state: FileState) -> tuple[ProbeResult, ...]:
    return load_results(_run, probe)


def first_later_epoch(view: View, probe: str) -> int | None:
    """Epoch of the first probed checkpoint after the epoch shown; None for none."""
    return min((one.epoch for one in results(view, probe) if one.epoch > (view.epoch or 0)), default=None)


def memorised(view: View) -> tuple[ProbeResult, NDArray[np.float64]] | None:
    """Samples whose fit needs the gate's block, by the newest result of ``routing`` up to the epoch shown.

    Returns:
        The result, and for the samples whose fit skipping the block loses the change of p(given) by skipping it, [N]
        in [-1, 1], NaN for all others; None where there is no such result.

    Raises:
        MemgateError: the file of results is damaged.
    """
    name, until = f"memorised_by_{view.gate}", view.epoch or 0
    known = [one for one in results(view, ROUTING) if one.epoch <= until and name in one.values]
    if not known:
        return None
    result = known[-1]
    (cut,) = [cut for cut in cuts_of(result.config["blocks"]) if cut.memorised == name]
    members = result.values[name]
    change = np.full(len(view.data), np.nan)
    change[view.data.columns(result.sample_id[members])] = -p_lost(result, cut.whole, cut.part)[members]
    return result, change


def filtered(view: View, result: ProbeResult) -> ProbeResult:
    """A result restricted to the samples that pass the filter."""
    if view.members.all():
        return result
    return result.of(np.isin(result.sample_id, view.data.sample_id[view.members]))


def gate_at_checkpoint(view: View, result: ProbeResult) -> NDArray[np.floating]:
    """Gate value of the probed samples at the probed checkpoint [n]; NaN where it is not logged."""
    gate = None
    if view.gate:
        with reading(view.at.path):
            gate = logged(view.log, result, "gate", view.gate)
    return np.full(len(result.sample_id), np.nan) if gate is None else gate


def groups(view: View, result: ProbeResult) -> tuple[CriticalGroup, ...]:
    """Critical sample ratios by group of the samples that pass the filter, of a result of ``csr``."""
    with reading(str(view.run.path / "manifest.npz")):
        return _groups(view, result, *cache_key(view, result))


@st.cache_data(max_entries=400, show_spinner=False)
def _groups(
    _view: View,
    _result: ProbeResult,
    at: Stamp,
    key: tuple[str, int, str],
    only: str,
    state: FileState | None,
) -> tuple[CriticalGroup, ...]:
    result = filtered(_view, _result)
    # Of every gate: any of them may be the sidebar's.
    return critical_groups(_view.run, _view.log, result, _view.log.gates) if len(result.sample_id) else ()


def routing_members(view: View, result: ProbeResult) -> Mapping[str, NDArray[np.bool_]]:
    """Members of groups among the samples of a result, see :func:`probes.samples.probe_groups.probed_members`."""
    with reading(str(view.run.path / "manifest.npz")):
        return probed_members(view.run, view.log, result)


def route_contrasts(view: View, result: ProbeResult) -> tuple[Contrast, ...]:
    """Fit lost by each cut, of corrupted against clean samples that pass the filter, of a result of ``routing``."""
    with reading(str(view.run.path / "manifest.npz")):
        return _route_contrasts(view, result, *cache_key(view, result))


@st.cache_data(max_entries=64, show_spinner="Resampling …")
def _route_contrasts(
    _view: View,
    _result: ProbeResult,
    at: Stamp,
    key: tuple[str, int, str],
    only: str,
    state: FileState | None,
) -> tuple[Contrast, ...]:
    result = filtered(_view, _result)
    return contrasts(result, probed_members(_view.run, _view.log, result)) if len(result.sample_id) else ()


def control_rows(view: View, result: ProbeResult) -> list[dict[str, str]] | str:
    """Rows with the contrasts of the run and of the probe's control; a message where there are none."""
    path = result.config.get("control")
    if path is None:
        return ""
    try:
        # By its name under the root: no page reads another folder.
        control = run_folders.open_run(root(), Path(path).name)
        file = probe_path(control, ROUTING)
        state = (file.stat().st_size, file.stat().st_mtime_ns) if file.is_file() else None
        rows = _control_rows(view, result, str(file), state, *cache_key(view, result))
    except MemgateError as error:
        return f"The control {Path(path).name} is not shown: {error}"
    return rows or (
        f"The control {control.name} was not probed at epoch {result.epoch} on the same samples, or the "
        "samples are not both clean and corrupted."
    )


@st.cache_data(max_entries=16, show_spinner="Resampling …")
def _control_rows(
    _view: View, _result: ProbeResult, control: str, control_state: FileState | None, at: Stamp,
    key: tuple[str, int, str], only: str, state: FileState | None,
) -> list[dict[str, str]]:  # fmt: skip
    run = Run(Path(control).parents[1])
    same = [one for one in load_results(run, ROUTING) if one.key == _result.key]
    if not same or not np.array_equal(same[0].sample_id, _result.sample_id):
        return []
    own, other = filtered(_view, _result), filtered(_view, same[0])
    return comparison_rows(_view.run, own, run, other, probed_members(_view.run, _view.log, own))


def unskippable(view: View) -> str:
    """Reason why no block of the run's network can be skipped; empty where one can, or where it is not known."""
    return refusal(view, check_blocks)


def refusal(view: View, check: Callable[[str, ModelConfig], object]) -> str:
    """The sentence with which a check refuses the run's network; empty where it does not, or a run has none."""
    if view.run.recorded:
        return ""
    try:
        check(view.run.name, view.run.config.model)
    except MemgateError as error:
        return str(error)
    return ""


def cache_key(view: View, result: ProbeResult) -> tuple[Stamp, tuple[str, int, str], str, FileState | None]:
    """Key of caches for a result: log, result, filter (with gate and epoch where it asks for a route), file."""
    only = str(view.only) + (f"{view.gate} {view.epoch}" if view.only.route != "all" else "")
    return view.at, result.key, only, file_state(view, result.probe)
