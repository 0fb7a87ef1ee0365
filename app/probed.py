"""What probes have stored of a run, read once for each state of their file."""

import streamlit as st

from app.state import View
from memgate.runs import Run
from probes.result import ProbeResult, load_results, probe_path


def results(view: View, probe: str) -> tuple[ProbeResult, ...]:
    """Every stored result of a probe on the samples of the view's split, by epoch and variant; () for none.

    Args:
        view: run and split; its cursor does not matter.
        probe: ``csr``, ``routing`` or another file of the run's ``probes/``.

    Raises:
        MemgateError: the file is damaged or of another format.
    """
    path = probe_path(view.run, probe)
    if not path.is_file():
        return ()
    state = path.stat()
    found = _results(view.run, str(path), probe, state.st_size, state.st_mtime_ns)
    return tuple(result for result in found if result.split == view.split)


# A result of 50,000 samples is a few MB.
@st.cache_resource(max_entries=12, show_spinner=False)
def _results(_run: Run, path: str, probe: str, size: int, mtime_ns: int) -> tuple[ProbeResult, ...]:
    return load_results(_run, probe)
