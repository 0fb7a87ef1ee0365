"""The server of the dashboard: its options, its port, its warning."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.cli import serve
from memgate.errors import MemgateError


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """Commands that serve() would have started."""
    found: list[tuple[list[str], dict[str, str]]] = []

    class Process:
        def __init__(self, command: list[str], env: dict[str, str]) -> None:
            found.append((command, env))

        def wait(self) -> int:
            return 0

        def poll(self) -> int:
            return 0

    monkeypatch.setattr(subprocess, "Popen", Process)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_serve_on_this_machine(started: list[Any], tmp_path: Path) -> None:
    warnings: list[str] = []
    port = free_port()
    assert serve.serve(tmp_path, port, open_browser=False, warn=warnings.append) == 0
    assert not warnings
    ((command, env),) = started
    assert command[0] == sys.executable
    assert command[-3:] == ["--", "--root", str(tmp_path)]
    for option in ("server.address=127.0.0.1", f"server.port={port}", "server.headless=true",
                   "browser.gatherUsageStats=false"):  # fmt: skip
        assert f"--{option}" in command
    assert env["STREAMLIT_SERVER_ALLOWED_HOSTS"].split() == ["localhost", "127.0.0.1", "[::1]"]


def test_what_is_joined_is_passed_on(started: list[Any], tmp_path: Path) -> None:
    serve.serve(tmp_path, free_port(), open_browser=False, joins=("cscores=a b.npz", "mine=x.csv:y:low"))
    ((command, _),) = started
    assert command[-2:] == ["--join=cscores=a b.npz", "--join=mine=x.csv:y:low"]


def test_a_wrong_join_is_one_sentence_before_anything_is_served(
    started: list[Any], one_sentence: Any, tmp_path: Path
) -> None:
    assert "names no file" in one_sentence("dashboard", tmp_path, "--join", "cscores")
    (tmp_path / "x.csv").write_text("sample_id,value\n1,2\n")
    text = f"gate_mean={tmp_path}/x.csv:value"
    assert "one of memgate's own columns" in one_sentence("dashboard", tmp_path, "--join", text)
    assert not started


def test_serving_to_others_warns(started: list[Any], tmp_path: Path) -> None:
    warnings: list[str] = []
    serve.serve(tmp_path, free_port(), address="0.0.0.0", open_browser=False, warn=warnings.append)
    assert len(warnings) == 1
    assert "0.0.0.0" in warnings[0]
    assert "STREAMLIT_SERVER_ALLOWED_HOSTS" not in started[0][1]


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(MemgateError, match=rf"127\.0\.0\.1:{port} .*--port"):
            serve.serve(tmp_path, port)


@pytest.mark.parametrize("port", [-1, 70000])
def test_an_impossible_port_is_one_sentence(port: int, tmp_path: Path) -> None:
    with pytest.raises(MemgateError, match="--port"):
        serve.serve(tmp_path, port)


def test_streamlit_knows_every_option() -> None:
    """A variable that Streamlit does not know is ignored without a word."""
    from streamlit import config

    known = set(config.get_config_options())
    variables = {f"STREAMLIT_{_words(name)}" for name in known}
    given = {name for name in serve.environment("127.0.0.1") if name.startswith("STREAMLIT_")}
    assert given <= variables
    assert set(serve.required_options("127.0.0.1", 1, False)) <= known


def _words(option: str) -> str:
    import re

    return re.sub(r"([a-z])([A-Z])", r"\1_\2", option.replace(".", "_")).upper()
