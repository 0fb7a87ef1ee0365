"""What probes have stored of a run, read once for each state of their file, and what groups of samples have of it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import logs
from app.dashboard.logs import Stamp
from app.dashboard.view.state import View, root
from memgate.errors import MemgateError
from memgate.runs.run import Run
from probes.csr import config as csr_config
from probes.csr.table import CriticalGroup, critical_groups
from probes.result import ProbeResult, load_results, probe_path
from probes.routing import routes
from probes.routing.control import comparison_rows
from probes.routing.routes import Contrast, check_blocks, contrasts, cuts_of, p_lost
from probes.samples.probe_groups import logged, probed_members

CSR, NEIGHBOURS, ROUTING = csr_config.PROBE, csr_config.NEIGHBOURS, routes.PROBE

FileState = tuple[int, int]
"""Size and time of the last change."""


def results(view: View, probe: str) -> tuple[ProbeResult, ...]:
    """Every stored result of a probe on the samples of the view's split, by epoch and variant; () for none.

    Args:
        view: run and split; its cursor does not matter.
        probe: ``csr``, ``routing`` or another file of the run's ``probes/``.

    Raises:
        MemgateError: the file is damaged or of another format.
    """
    state = _state(view, probe)
    if state is None:
        return ()
    found = _results(view.run, str(probe_path(view.run, probe)), probe, state)
    return tuple(result for result in found if result.split == view.split)


def _state(view: View, probe: str) -> FileState | None:
    path = probe_path(view.run, probe)
    if not path.is_file():
        return None
    found = path.stat()
    return found.st_size, found.st_mtime_ns


# A result of 50,000 samples is a few MB.
@st.cache_resource(max_entries=12, show_spinner=False)
def _results(_run: Run, path: str, probe: str, state: FileState) -> tuple[ProbeResult, ...]:
    return load_results(_run, probe)


def later(view: View, probe: str) -> int | None:
    """The first probed checkpoint after the cursor: to see its results takes no command; None where there is none."""
    return min((one.epoch for one in results(view, probe) if one.epoch > (view.epoch or 0)), default=None)


def memorised(view: View) -> tuple[ProbeResult, NDArray[np.float64]] | None:
    """Who is memorised by the gate's block, by the newest result of ``routing`` up to the cursor.

    Returns:
        The result, and by how much skipping the block changes the probability of the given label [N] of those whose
        fit it takes away, NaN for all others; None where there is no such result.

    Raises:
        MemgateError: the file of results is damaged.
    """
    name, until = f"memorised_by_{view.gate}", view.epoch or 0
    known = [one for one in results(view, ROUTING) if one.epoch <= until and name in one.values]
    known = [one for one in known if "blocks" in one.config]  # an older memgate stored none
    if not known:
        return None
    result = known[-1]
    (cut,) = [cut for cut in cuts_of(result.config["blocks"]) if cut.memorised == name]
    who = result.values[name]
    found = np.full(len(view.data.sample_id), np.nan)
    found[view.data.columns(result.sample_id[who])] = -p_lost(result, cut.whole, cut.part)[who]
    return result, found


def shown(view: View, result: ProbeResult) -> ProbeResult:
    """A result without the samples that do not pass the filter."""
    if view.members.all():
        return result
    return result.of(np.isin(result.sample_id, view.data.sample_id[view.members]))


def gate_then(view: View, result: ProbeResult) -> NDArray[np.floating]:
    """Gate value of the probed samples at the probed checkpoint [n]; NaN where the log does not have it."""
    found = None
    if view.gate:
        with logs.reading(view.at.path):
            found = logged(view.log, result, "gate", view.gate)
    return np.full(len(result.sample_id), np.nan) if found is None else found


def groups(view: View, result: ProbeResult) -> tuple[CriticalGroup, ...]:
    """Critical sample ratios of the groups that pass the filter, of a result of ``csr``."""
    with logs.reading(str(view.run.path / "manifest.npz")):
        return _groups(view, result, *_key(view, result))


@st.cache_data(max_entries=400, show_spinner=False)
def _groups(
    _view: View,
    _result: ProbeResult,
    at: Stamp,
    key: tuple[str, int, str],
    only: str,
    state: FileState | None,
) -> tuple[CriticalGroup, ...]:
    found = shown(_view, _result)
    # Of every gate: any of them may be the sidebar's.
    return critical_groups(_view.run, _view.log, found, _view.log.gates) if len(found.sample_id) else ()


def routing_members(view: View, result: ProbeResult) -> Mapping[str, NDArray[np.bool_]]:
    """Groups of the samples of a result, see :func:`probes.samples.probe_groups.probed_members`."""
    with logs.reading(str(view.run.path / "manifest.npz")):
        return probed_members(view.run, view.log, result)


def taken(view: View, result: ProbeResult) -> tuple[Contrast, ...]:
    """Whether a cut takes more from corrupted samples than from clean ones, of a result of ``routing``."""
    with logs.reading(str(view.run.path / "manifest.npz")):
        return _taken(view, result, *_key(view, result))


@st.cache_data(max_entries=64, show_spinner="Resampling …")
def _taken(
    _view: View,
    _result: ProbeResult,
    at: Stamp,
    key: tuple[str, int, str],
    only: str,
    state: FileState | None,
) -> tuple[Contrast, ...]:
    found = shown(_view, _result)
    return contrasts(found, probed_members(_view.run, _view.log, found)) if len(found.sample_id) else ()


def beside_control(view: View, result: ProbeResult) -> list[dict[str, str]] | str:
    """The contrasts beside those of the control that the probe was given; a sentence where there are none."""
    path = result.config.get("control")
    if path is None:
        return ""
    try:
        # By its name under the root: no page reads a folder that the root does not have.
        control = logs.open_run(root(), Path(path).name)
        file = probe_path(control, ROUTING)
        state = (file.stat().st_size, file.stat().st_mtime_ns) if file.is_file() else None
        found = _beside(view, result, str(file), state, *_key(view, result))
    except MemgateError as error:
        return f"Without its control {Path(path).name}: {error}"
    return found or (
        f"The control {control.name} was not probed at epoch {result.epoch} on the same samples, or there are not "
        "both clean and corrupted ones."
    )


@st.cache_data(max_entries=16, show_spinner="Resampling …")
def _beside(
    _view: View, _result: ProbeResult, control: str, control_state: FileState | None, at: Stamp,
    key: tuple[str, int, str], only: str, state: FileState | None,
) -> list[dict[str, str]]:  # fmt: skip
    run = Run(Path(control).parents[1])
    same = [one for one in load_results(run, ROUTING) if one.key == _result.key and "blocks" in one.config]
    if not same or not np.array_equal(same[0].sample_id, _result.sample_id):
        return []
    mine, theirs = shown(_view, _result), shown(_view, same[0])
    return comparison_rows(_view.run, mine, run, theirs, probed_members(_view.run, _view.log, mine))


def unskippable(view: View) -> str:
    """Why no block of the run's network can be skipped, in a sentence; empty where one can, or nobody knows."""
    if view.run.recorded:
        return ""
    try:
        check_blocks(view.run.name, view.run.config.model)
    except MemgateError as error:
        return str(error)
    return ""


def _key(view: View, result: ProbeResult) -> tuple[Stamp, tuple[str, int, str], str, FileState | None]:
    """What the numbers of a result hang on: log, result, filter (with the cursor where it asks for a route)."""
    only = str(view.only) + (f"{view.gate} {view.epoch}" if view.only.route != "all" else "")
    return view.at, result.key, only, _state(view, result.probe)
