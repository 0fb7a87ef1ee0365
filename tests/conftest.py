"""Fixtures for all tests."""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memgate.__main__ import main
from memgate.config.run import ModelConfig
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from tests.helpers.made_runs import RunPlan, build_run


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    """Factory of runs under ``tmp_path/runs``; its keywords are the fields of :class:`RunPlan`."""

    def make(**fields: object) -> Run:
        return build_run(tmp_path, RunPlan(**fields))  # pyright: ignore[reportArgumentType]

    return make


@pytest.fixture(scope="session")
def made_group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``runs`` of a group of subset runs and its estimates; not to be changed."""
    from tests.helpers.made_groups import build_group, estimate_group

    folder = tmp_path_factory.mktemp("group")
    build_group(folder)
    estimate_group(folder)
    return folder


@pytest.fixture
def group_runs(made_group: Path, tmp_path: Path) -> list[Run]:
    """The runs of a copy of ``made_group`` under ``tmp_path/runs``, by name."""
    shutil.copytree(made_group / "runs", tmp_path / "runs")
    return [Run(path) for path in sorted((tmp_path / "runs").iterdir()) if path.is_dir()]


@pytest.fixture
def make_recorder(tmp_path: Path) -> Callable[..., Any]:
    """Factory of recorders of a run ``mine`` under ``tmp_path/runs``."""
    from memgate.recorder.recorder import Recorder  # torch, see above
    from tests.helpers.recording import N

    def made(n: Any = N, epochs: int = 3, **more: Any) -> Recorder:
        return Recorder(n, epochs, name=more.pop("name", "mine"), out=tmp_path / "runs", **more)

    return made


@pytest.fixture(scope="session")
def app_test() -> Iterator[Any]:
    """Streamlit's AppTest, set up as the dashboard's server is, and without what it repeats for every page."""
    from streamlit import config
    from streamlit.components.v2.component_manager import BidiComponentManager
    from streamlit.runtime.scriptrunner.script_cache import ScriptCache
    from streamlit.testing.v1 import app_test, local_script_runner

    from app.cli.serve import required_options

    served = required_options("127.0.0.1", 8501, open_browser=False)
    for name in ("browser.gatherUsageStats", "runner.magicEnabled"):
        config.set_option(name, served[name] == "true")
    scripts, wait = ScriptCache(), local_script_runner.require_widgets_deltas

    def joined(runner: Any, timeout: float) -> None:
        runner._script_thread.join(timeout)
        wait(runner, 0.1)

    with pytest.MonkeyPatch.context() as patch:
        # Otherwise all installed packages are searched for components (the dashboard's own are inline), every page
        # is compiled again, and its end is asked for a thousand times a second.
        patch.setattr(BidiComponentManager, "discover_and_register_components", lambda *_, **__: None)
        patch.setattr(app_test, "ScriptCache", lambda: scripts)
        patch.setattr(local_script_runner, "require_widgets_deltas", joined)
        yield type("DashboardTest", (app_test.AppTest,), {"pages": {}})


@pytest.fixture
def open_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app_test: Any) -> Callable[..., Any]:
    """Function that opens a page of the dashboard over ``tmp_path/runs`` with URL parameters.

    With ``tab``, a page that it returned before, it is opened in the same browser tab, otherwise in a new one.
    """
    entry = Path(__file__).parents[1] / "app" / "dashboard" / "main.py"
    monkeypatch.setattr(sys, "argv", ["main.py", "--root", str(tmp_path / "runs")])

    def opened(page: str, /, *, tab: Any = None, **params: str) -> Any:
        at = tab or app_test.from_file(entry, default_timeout=60)
        at._registered_pages = at._registered_pages or app_test.pages
        if not at._registered_pages:  # as a first run tells them; every other one opens the page itself
            app_test.pages = at.run()._registered_pages
        at.switch_page(f"views/{page}.py")
        at.query_params.clear()  # as a browser does
        for name, value in params.items():
            at.query_params[name] = value
        at.run()
        assert not at.exception, (page, [(error.value, error.stack_trace) for error in at.exception])
        return at

    return opened


@pytest.fixture
def walk(open_page: Callable[..., Any]) -> Callable[..., Iterator[tuple[str, Any]]]:
    """Function that opens pages one after another in the same browser tab and yields each with its name."""

    def pages(names: Iterable[str], **params: str) -> Iterator[tuple[str, Any]]:
        tab = None
        for name in names:
            tab = open_page(name, tab=tab, **params)
            yield name, tab

    return pages


@pytest.fixture
def exit_code(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Function that runs a command line in this process and returns its exit code."""

    def of(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["memgate", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            return end.code or 0  # pyright: ignore[reportReturnType]
        return 0

    return of


@pytest.fixture
def printed(exit_code: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Function that runs a command line, checks that it succeeds and warns of nothing, and returns what it prints."""

    def output(*arguments: object) -> str:
        capsys.readouterr()
        code = exit_code(*arguments)
        streams = capsys.readouterr()
        assert (code, streams.err) == (0, "")
        return streams.out

    return output


@pytest.fixture
def one_sentence(exit_code: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Function that runs a command line, checks that it prints only one sentence and exits with 2, and returns it."""

    def sentence(*arguments: object) -> str:
        capsys.readouterr()
        code = exit_code(*arguments)
        printed = capsys.readouterr()
        assert (code, printed.out) == (2, "")
        assert printed.err.startswith("memgate: ")
        assert printed.err.count("\n") == 1
        return printed.err

    return sentence


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[object, str, int], None]:
    """Raises KeyboardInterrupt at the n-th call of a module's function, as Ctrl-C would."""

    def at(module: object, name: str, call: int) -> None:
        calls, original = [], getattr(module, name)

        def interrupted(*arguments: object, **options: object) -> object:
            calls.append(1)
            if len(calls) == call:
                raise KeyboardInterrupt
            return original(*arguments, **options)

        monkeypatch.setattr(module, name, interrupted)

    return at


@pytest.fixture
def log_without_last_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers return the first two epochs of a log of three."""
    original = SampleLog.values

    def without_last(
        log: SampleLog, split: str, name: str, gate: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        epochs, values = original(log, split, name, gate)
        return epochs[:-1], values[:-1]

    monkeypatch.setattr(SampleLog, "values", without_last)
    monkeypatch.setattr(SampleLog, "epochs", lambda log, split: np.array([1, 2]))


@pytest.fixture
def shared() -> Path:
    """The folder ``../shared`` beside the project, in development and in CI."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip(f"{path} does not exist: this test reads the data beside the project")
    return path


@pytest.fixture
def trained_run(trained: Path, tmp_path: Path) -> Run:
    """A copy of the run ``trained``, since probes store their results in the run."""
    shutil.copytree(trained, tmp_path / "runs" / "one")
    return Run(tmp_path / "runs" / "one")


@pytest.fixture
def plain_run(tmp_path: Path) -> Run:
    """A run trained for one epoch on digits, without gate and noise."""
    from tests.helpers.trained_runs import train_one_epoch  # torch

    return train_one_epoch(tmp_path, "plain", ModelConfig(name="resnet", depth=8))


@pytest.fixture
def layer_gated(tmp_path: Path) -> Run:
    """A run trained for one epoch on digits with noise, with a gate in each of its six units."""
    from tests.helpers.trained_runs import train_one_epoch  # torch

    model = ModelConfig(name="layer-exclusive", depth=14)
    return train_one_epoch(tmp_path / "runs", "layers", model, noise=("symmetric:0.3",))
