"""Seconds per page and memory of the dashboard on a long log of a large data set, in a real browser.

    python benchmarks/dashboard.py [--cifar10 data/cifar10.npz] [--samples 50000] [--epochs 300] [--keep FOLDER]

Writes a run with one gate (a log of about 0.5 GB), serves it, and opens every page in headless Chromium with software
WebGL: *cold* as the first page of a new server, and *warm* in a new browser session after every page has been opened
once. Then it measures interactions: filtering, the next page of the gallery, the next sample, a lasso around half of a
map (with the bytes that it sends). Images are random, or those of an .npz file in the format of ``--data.name npz``.

Needs chromium and playwright. Ends with exit code 1 when a limit is exceeded. Run nothing else meanwhile.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scores import record

from memgate.config.run import DataConfig, RunConfig, TrainConfig
from memgate.log.format import LogLayout, logged_epochs
from memgate.log.writer import SampleLogWriter
from memgate.runs.create import create_run
from memgate.runs.inputs import load_inputs
from memgate.runs.metrics import metric_names
from memgate.runs.run import Run
from probes.embedding.config import EmbedConfig
from probes.embedding.run import probe_run
from probes.network.plan import Plan

PAGES = (
    "", "overview", "explorer", "gallery", "sample", "map", "hardness", "critical", "compare", "export", "health",
)  # fmt: skip
LOAD, FILTER, SAMPLE, TURN, GIB = 4.0, 2.0, 1.5, 0.4, 1.5
"""Limits in seconds, and in GiB of the server's memory."""
MAP_KB, LASSO_KB = 360, 2
"""Limits in kilobytes: what the server sends for a page with a map, and what the browser sends for a lasso."""
PORT = 8599


def make_run(folder: Path, data: Path | None, n: int, epochs: int) -> Run:
    """A run of ``n`` training samples with symmetric label noise and simulated values in its log."""
    if data is None:
        data = folder / "data.npz"
        draw = np.random.default_rng(0)
        arrays = {}
        for split, count in (("train", n), ("test", n // 5)):
            arrays[f"{split}_images"] = draw.integers(0, 256, (count, 32, 32, 3), np.uint8)
            arrays[f"{split}_labels"] = np.arange(count, dtype=np.int64) % 10
        np.savez(data, **arrays)
    config = RunConfig(
        name="large",
        out=folder / "runs",
        noise=("symmetric:0.2", "gaussian:0.05:severity=3"),
        device="cpu",
        data=DataConfig(name="npz", root=data, train_limit=n),
        train=TrainConfig(epochs=epochs),
    ).resolved()
    inputs = load_inputs(config)
    samples = {split: inputs.samples(split) for split in inputs.splits}
    layout = LogLayout(
        samples, config.model.gate_names, logged_epochs(epochs, 1), "eval", tuple(inputs.train.class_names)
    )
    environment = {"command": ["memgate", "train"], "device": "cpu", "threads": 1}
    run = create_run(config, config, environment, inputs.manifests, inputs.digests, layout)
    writer = SampleLogWriter.open(run.path / "log.h5")
    for epoch in range(1, epochs + 1):
        writer.write(epoch, {split: record(columns, epoch / epochs) for split, columns in samples.items()})
        names = metric_names(list(samples), list(layout.gates))
        run.append_metrics(dict.fromkeys(names, 0.5) | {"epoch": epoch})
    writer.close()
    run.set_status("complete", epochs)
    list(probe_run(run, EmbedConfig(), ["trajectories"], Plan(splits=("train",), n=0)))
    return run


@contextmanager
def server(root: Path) -> Iterator[tuple[str, int]]:
    """Address and process id of the dashboard's server, started as by the command line."""
    code = (
        "import sys; from pathlib import Path; from app.cli.serve import serve; "
        f"sys.exit(serve(Path(sys.argv[1]), {PORT}, open_browser=False))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.DEVNULL)
    try:
        wait_for_port(process)
        # serve() starts Streamlit in a child process.
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield f"http://127.0.0.1:{PORT}", int(children[0])
    finally:
        process.terminate()
        process.wait(20)


def wait_for_port(process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server accepts connections."""
    import socket

    for _ in range(600):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", PORT)) == 0:
                return
        assert process.poll() is None, "the server has ended"
        time.sleep(0.1)


def gib(process: int) -> float:
    """Peak memory of a process in GiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20


SETTLED = """() => {
    const app = document.querySelector('[data-testid="stApp"]');
    const done = app && app.dataset.testScriptState === 'notRunning';
    const charts = [...document.querySelectorAll('.js-plotly-plot')];
    const stale = document.querySelector('[data-stale="true"]');
    const started = document.querySelector('[data-testid="stMainBlockContainer"] [data-testid="stElementContainer"]');
    return done && started && !stale && charts.every(chart => chart.querySelector('.main-svg'));
}"""


def settle(page: Any) -> None:
    """Wait until the script has ended and every chart is drawn, in two consecutive checks."""
    for _ in range(2):
        page.wait_for_function(SETTLED, timeout=120_000, polling=20)
        page.wait_for_timeout(60)


def timed(page: Any, act: Callable[[], Any]) -> float:
    """Seconds from an action to the settled page, without the 120 ms of the two checks."""
    start = time.perf_counter()
    act()
    settle(page)
    return time.perf_counter() - start - 0.12


def address(base: str, page: str, sample: int = 0) -> str:
    """URL of a page of the run."""
    parameters = f"&id={sample}" if page == "sample" else ""
    return f"{base}/{page}?run=large{parameters}" if page else f"{base}/"


def cold(driver: Any, root: Path) -> Iterator[tuple[str, float]]:
    """Page and seconds, each page being the first of a new server."""
    for page in PAGES:
        with server(root) as (base, _), browsing(driver) as browser:
            opened = new_page(browser)
            yield page or "runs", timed(opened, partial(opened.goto, address(base, page, 7)))


@contextmanager
def browsing(driver: Any) -> Iterator[Any]:
    """A headless Chromium, closed at the end."""
    browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    try:
        yield browser
    finally:
        browser.close()


def new_page(browser: Any) -> Any:
    """A page of a new browser session, in the smallest supported window size."""
    return browser.new_context(viewport={"width": 1280, "height": 720}).new_page()


class Traffic:
    """Bytes between the server and a page since the last reset."""

    def __init__(self, page: Any) -> None:
        """Count from now on."""
        self.received = self.sent = 0
        page.on("websocket", self._listen)

    def _listen(self, channel: Any) -> None:
        channel.on("framereceived", lambda data: self._add(received=len(data)))
        channel.on("framesent", lambda data: self._add(sent=len(data)))

    def _add(self, received: int = 0, sent: int = 0) -> None:
        self.received, self.sent = self.received + received, self.sent + sent

    def reset(self) -> None:
        """Count from 0 again."""
        self.received = self.sent = 0


def warm(base: str, browser: Any) -> Iterator[tuple[str, float, float, str]]:
    """Name, value, limit and unit of page loads and interactions in a server that has loaded every page."""
    for page in PAGES:  # once, to fill the caches
        opened = new_page(browser)
        timed(opened, partial(opened.goto, address(base, page, 7)))
        opened.close()
    for page in PAGES:
        opened = new_page(browser)
        traffic = Traffic(opened)
        seconds = timed(opened, partial(opened.goto, address(base, page, 11)))
        yield f"load {page or 'runs'}", seconds, SAMPLE if page == "sample" else LOAD, "s"
        opened.wait_for_timeout(1500)  # users act after the browser has drawn the page
        if page == "sample":
            button = opened.get_by_role("button", name="Next")
            yield "next sample", timed(opened, button.click), SAMPLE, "s"
        if page == "gallery":
            number = opened.get_by_test_id("stPaginationPage").filter(has_text="2").first
            yield "gallery page turn", timed(opened, number.click), TURN, "s"
            opened.wait_for_timeout(1500)
        if page == "map":
            opened.wait_for_selector(".js-plotly-plot .main-svg", timeout=60_000)
            opened.wait_for_timeout(1500)
            yield "map, received", traffic.received / 1000, MAP_KB, "kB"
            traffic.reset()
            yield "lasso map", timed(opened, partial(lasso, opened)), FILTER, "s"
            yield "lasso map, sent", traffic.sent / 1000, LASSO_KB, "kB"
        if page in ("overview", "explorer", "gallery", "hardness"):
            yield f"filter {page}", timed(opened, partial(pick_route, opened)), FILTER, "s"
        opened.close()


def pick_route(page: Any) -> None:
    """Show the routed samples only."""
    page.get_by_test_id("stSidebar").get_by_text("routed", exact=True).click()


FRAME = """() => {
    const chart = document.querySelector('.js-plotly-plot'), place = chart.getBoundingClientRect();
    const {xaxis, yaxis} = chart._fullLayout;
    return [place.x + xaxis._offset, place.y + yaxis._offset, xaxis._length, yaxis._length];
}"""


def lasso(page: Any) -> None:
    """Draw a lasso around the left half of a chart."""
    left, top, width, height = page.evaluate(FRAME)
    page.mouse.move(left + 2, top + 2)
    page.mouse.down()
    for across, down in ((0.5, 0.01), (0.5, 0.99), (0.01, 0.99), (0.01, 0.01)):
        page.mouse.move(left + across * width, top + down * height, steps=10)
    page.mouse.up()
    page.get_by_text("Clear selection").wait_for(timeout=60_000)


def main() -> int:
    """Print a line for each measurement; the exit code is 0 if all are within the limits."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cifar10", type=Path, default=None)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--keep", type=Path, default=None, help="folder for the run; an existing run is used")
    parser.add_argument("--json", type=Path, default=None, help="also write the measurements to this file")
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    measurements: dict[str, tuple[float, float]] = {}

    def note(name: str, value: float, limit: float, unit: str) -> None:
        measurements[name] = value, limit
        print(
            f"{name:24s} {value:6.2f} {unit}   limit {limit}{'   EXCEEDED' if value > limit else ''}",
            flush=True,
        )

    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        if not (folder / "runs" / "large").exists():
            folder.mkdir(parents=True, exist_ok=True)
            make_run(folder, arguments.cifar10, arguments.samples, arguments.epochs)
        root = folder / "runs"
        with sync_playwright() as driver:
            for page, seconds in cold(driver, root):
                note(f"cold {page}", seconds, LOAD, "s")
            with server(root) as (base, process), browsing(driver) as browser:
                for name, value, limit, unit in warm(base, browser):
                    note(name, value, limit, unit)
                note("server memory", gib(process), GIB, "GiB")
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements, indent=2) + "\n")
    return int(any(value > limit for value, limit in measurements.values()))


if __name__ == "__main__":
    sys.exit(main())
