"""Serves the dashboard: Streamlit in its own process, bound to this machine, without telemetry."""

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memgate.errors import MemgateError

HOME = Path(__file__).resolve().parents[2]
"""The folder that holds the packages; derived from this file, since another package may be called ``app``."""

LOCAL = ("127.0.0.1", "localhost", "::1")

GRACE_SECONDS = 5


def serve(
    root: Path,
    port: int = 8501,
    address: str = "127.0.0.1",
    open_browser: bool = True,
    warn: Callable[[str], None] = lambda _: None,
    joins: Sequence[str] = (),
) -> int:
    """Serve the dashboard until it is stopped (Ctrl-C).

    Args:
        root: folder of the runs; only its subfolders can be opened.
        port: 1 to 65535.
        address: address to listen on.
        open_browser: open it in a browser, if the machine has a screen.
        warn: called with one sentence if other machines can reach the dashboard.
        joins: other people's labels and hardness, see :func:`probes.external.load.load_external`.

    Returns:
        The exit code; 0 if the user has stopped it.

    Raises:
        MemgateError: the port is in use, or the address does not belong to this machine.
    """
    check_port(address, port)
    if address not in LOCAL:
        warn(
            f"The dashboard listens on {address}: everybody who can reach this machine can see your runs and their "
            "images. Leave --address out to restrict it to this machine."
        )
    command = [
        # -P: a file app.py or noise.py in the working directory must not stand in for our packages.
        *(
            sys.executable,
            "-P",
            "-m",
            "app.dashboard.server",
            "run",
            str(HOME / "app" / "dashboard" / "main.py"),
        ),
        *(f"--{name}={value}" for name, value in required_options(address, port, open_browser).items()),
        *("--", "--root", str(root.expanduser().absolute())),
        *(f"--join={text}" for text in joins),
    ]
    process = subprocess.Popen(command, env=environment(address))
    with _stopped_at_exit(process):
        return _wait(process)


def check_port(address: str, port: int) -> None:
    """Raise MemgateError if the port is not free; Streamlit itself would take another port or fail late."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            # As the server does: a port whose last connection has just ended is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MemgateError(
            f"The dashboard cannot listen on {address}:{port} ({reason}): choose another --port, such as "
            f"{port + 1 if port < 65535 else 8501}, or end the program that uses it."
        ) from error


def required_options(address: str, port: int, open_browser: bool) -> dict[str, str]:
    """Streamlit options that the dashboard requires, by name."""
    return {
        "server.address": address,
        "server.port": str(port),
        "server.headless": "false" if open_browser and _has_screen() else "true",
        "server.enableStaticServing": "false",
        "browser.gatherUsageStats": "false",
        "runner.magicEnabled": "false",
    }


def environment(address: str) -> dict[str, str]:
    """Environment variables of the server: our packages first on the path, and optional Streamlit options.

    An older Streamlit refuses to start on an unknown flag, and ignores an unknown variable.
    """
    options = {
        "SERVER_SHOW_EMAIL_PROMPT": "false",
        "SERVER_FILE_WATCHER_TYPE": "none",
        "SERVER_RUN_ON_SAVE": "false",
        "CLIENT_SHOW_ERROR_LINKS": "false",
        "CLIENT_SHOW_ERROR_DETAILS": "none",
        "CLIENT_TOOLBAR_MODE": "viewer",
        "THEME_LIGHT_PRIMARY_COLOR": "#0072B2",
        "THEME_DARK_PRIMARY_COLOR": "#56B4E9",
        "THEME_PADDING_TOP": "1rem",
        "THEME_METRIC_VALUE_FONT_SIZE": "1.6rem",
    }
    if address in LOCAL:
        # Otherwise a web page could reach the server by a host name that resolves to 127.0.0.1.
        options["SERVER_ALLOWED_HOSTS"] = " ".join(("localhost", "127.0.0.1", "[::1]"))
    variables = {**os.environ, **{f"STREAMLIT_{name}": value for name, value in options.items()}}
    if str(HOME) != sysconfig.get_paths()["purelib"]:
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HOME), os.environ.get("PYTHONPATH"))))
    return variables


def _has_screen() -> bool:
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _wait(process: "subprocess.Popen[bytes]") -> int:
    """Exit code of the server; Ctrl-C reaches it too and is its ordinary end."""
    try:
        return process.wait()
    except KeyboardInterrupt:
        return 0


@contextmanager
def _stopped_at_exit(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """End the server when this process ends, also by SIGTERM; an orphaned server would keep the port."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    # Signals can be handled in the main thread only; in another thread (a test) the caller stops the server.
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, interrupt) if main else None
    try:
        yield
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if main:
            signal.signal(signal.SIGTERM, before)
