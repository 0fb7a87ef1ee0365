"""The dashboard in a real browser, three clicks from the runs to a sample, with nothing leaving the machine."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memgate.runs.run import Run
from probes.embedding.config import EmbedConfig
from probes.embedding.run import probe_run
from probes.network.plan import Plan
from probes.result import load_results, save_results
from tests.helpers.gate_results import result_of
from tests.helpers.made_runs import RunPlan, build_run

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium"),
]
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, from .[dev]")

FRAME = """() => {
    const chart = document.querySelector('.js-plotly-plot'), place = chart.getBoundingClientRect();
    const {xaxis, yaxis} = chart._fullLayout;
    return {left: place.x + xaxis._offset, top: place.y + yaxis._offset, width: xaxis._length,
            height: yaxis._length, x: xaxis.range, y: yaxis.range};
}"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the runs ``units``, ``other``, ``noisy`` and ``channels``."""
    folder = tmp_path_factory.mktemp("dashboard")
    build_run(folder, RunPlan(name="units", epochs=2, n=100, unit_depth=20))
    build_run(folder, RunPlan(name="other", noise=(), epochs=2))
    channels = build_run(folder, RunPlan(name="channels", epochs=2, n=100, unit_depth=20, macs=True))
    save_results(channels, "gates", [result_of(channels, epoch=2)])
    noisy = build_run(folder, RunPlan(name="noisy", n=600, epochs=12))  # the newest, so the first in the list
    list(probe_run(noisy, EmbedConfig(), ["trajectories"], Plan(splits=("train",), n=0)))
    return folder / "runs"


@pytest.fixture(scope="module")
def server(runs: Path) -> Iterator[str]:
    """The address of a dashboard over ``runs``, served as the command line does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = (
        "import sys; from pathlib import Path; from app.cli.serve import serve; "
        "sys.exit(serve(Path(sys.argv[1]), int(sys.argv[2]), open_browser=False))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(runs), str(port)], cwd=runs.parent, stderr=subprocess.PIPE
    )
    try:
        for _ in range(1200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "the server has ended"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        _, complaints = process.communicate(timeout=20)
    assert b"Traceback" not in complaints, complaints.decode()
    assert process.returncode == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A context of a headless Chromium, so that its cache has the scripts of Streamlit after the first page."""
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium.new_context(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
        chromium.close()


@pytest.fixture
def page(server: str, browser: Any) -> Iterator[Any]:
    """A new page; requests to other hosts and complaints in the console fail the test."""
    opened = browser.new_page()
    urls: list[str] = []
    complaints: list[str] = []
    opened.on("request", lambda request: urls.append(request.url))
    opened.on("websocket", lambda channel: urls.append(channel.url))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "console",
        lambda message: (
            complaints.append(f"{message.text} {message.location}") if message.type == "error" else None
        ),
    )
    yield opened
    opened.close()
    own = (f"{server}/", server.replace("http", "ws") + "/", "data:", "blob:")
    assert [url for url in urls if not url.startswith(own)] == []
    # Streamlit looks for its server below a deep link first, and asks at the root when that is not found.
    assert [text for text in complaints if not ("404" in text and re.search(r"/\w+/_stcore/", text))] == []


@pytest.fixture
def screenshot(page: Any) -> Callable[[str], None]:
    """Function that stores the page by a name in the folder that MEMGATE_SCREENSHOTS names, where it names one."""
    folder = os.environ.get("MEMGATE_SCREENSHOTS")

    def take(name: str) -> None:
        if folder:
            page.screenshot(path=Path(folder) / f"{name}.png")  # makes the folder

    return take


QUIET = """() => new Promise((resolve, reject) => {
    const begun = performance.now();
    let last = begun;
    const changes = new MutationObserver(() => { last = performance.now(); });
    changes.observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
    const asked = setInterval(() => {
        const now = performance.now();
        const idle = document.querySelector('[data-testid="stApp"][data-test-script-state="notRunning"]')
            && !document.querySelector('[data-testid="stSkeleton"]');
        if (!idle) last = now;
        if (now - last < 200 && now - begun < 60000) return;
        clearInterval(asked);
        changes.disconnect();
        if (now - last < 200) reject(new Error('the page does not come to rest')); else resolve();
    }, 20);
})"""
"""Waits until no script runs and nothing of the page has changed for a fifth of a second."""


def settled(page: Any, selector: str) -> None:
    """Wait for an element, for the script's end, and until what it sent is drawn."""
    page.wait_for_selector(selector, timeout=60_000)
    page.evaluate(QUIET)


def click_first_row(page: Any) -> None:
    table = page.locator('[data-testid="stDataFrame"]').first
    table.scroll_into_view_if_needed()
    page.evaluate(QUIET)
    place = table.bounding_box()
    page.mouse.click(place["x"] + 90, place["y"] + 52)


@pytest.mark.slow
def test_three_clicks_from_the_runs_to_a_sample(
    server: str, page: Any, runs: Path, screenshot: Callable[[str], None]
) -> None:
    page.goto(server)
    settled(page, '[data-testid="stDataFrame"]')
    screenshot("runs")

    click_first_row(page)
    page.wait_for_url("**/overview?**")
    settled(page, ".js-plotly-plot")
    assert "run=noisy" in page.url
    screenshot("overview")

    frame = page.evaluate(FRAME)
    start, end = (0.62, 0.04), (0.97, 0.2)
    page.mouse.move(frame["left"] + start[0] * frame["width"], frame["top"] + start[1] * frame["height"])
    page.mouse.down()
    page.mouse.move(frame["left"] + end[0] * frame["width"], frame["top"] + end[1] * frame["height"], steps=8)
    page.mouse.up()
    page.get_by_text("Clear selection").wait_for(timeout=30_000)
    settled(page, '[data-testid="stDataFrame"]')
    screenshot("brushed")

    # The same samples from the log itself: epochs whose cell the box touches, g between its edges.
    log = Run(runs / "noisy").sample_log()
    first, last = (frame["x"][0] + part[0] * (frame["x"][1] - frame["x"][0]) for part in (start, end))
    high, low = (frame["y"][1] - part[1] * (frame["y"][1] - frame["y"][0]) for part in (start, end))
    rows = slice(max(1, round(first)) - 1, min(12, round(last)))
    gate = log.values("train", "gate")[1][rows]
    margin = (frame["y"][1] - frame["y"][0]) / frame["height"]  # the mouse moves by whole pixels
    fewest, most = (
        int(((gate >= low + slack) & (gate <= high - slack)).any(axis=0).sum()) for slack in (margin, -margin)
    )
    said = page.get_by_text("samples,").first.inner_text()
    assert fewest <= int(said.split()[0].replace(",", "")) <= most
    assert 0 < fewest < 600
    assert f"at any of the epochs {rows.start + 1} to {rows.stop}" in said

    # The selection is in the link: a reload brings the same samples.
    chosen = page.url
    page.reload()
    settled(page, ".js-plotly-plot")
    assert page.url == chosen
    assert page.get_by_text("samples,").first.inner_text() == said

    tile = page.locator(".tile").first
    focus = tile.get_attribute("data-id")
    tile.click()
    page.wait_for_url(f"**/sample?**id={focus}**")
    settled(page, ".js-plotly-plot")
    page.get_by_text("routed in").first.wait_for()
    screenshot("sample")
    link = page.url

    page.get_by_role("button", name="Next").click()
    page.wait_for_function("before => location.href !== before", arg=link)
    page.go_back()
    page.wait_for_function("before => location.href === before", arg=link)
    settled(page, ".js-plotly-plot")
    assert page.get_by_label("Sample id").input_value() == focus

    page.reload()
    settled(page, ".js-plotly-plot")
    assert page.url == link
    assert page.get_by_label("Sample id").input_value() == focus


VIEWS = Path(__file__).parents[2] / "app" / "dashboard" / "views"


@pytest.mark.slow
def test_a_click_on_a_row_of_the_matrix_chooses_the_gate(
    server: str, page: Any, screenshot: Callable[[str], None]
) -> None:
    page.goto(f"{server}/overview?run=units")
    settled(page, ".js-plotly-plot")
    frame = page.evaluate(FRAME)
    page.mouse.click(frame["left"] + 0.9 * frame["width"], frame["top"] + frame["height"] * 4.5 / 9)
    page.wait_for_url("**gate=b2u02**")
    settled(page, ".js-plotly-plot")
    page.get_by_text("Gate value of B2U02 over the epochs").wait_for()
    screenshot("gates")


@pytest.mark.slow
def test_clicks_on_bars_choose_gate_and_filter(server: str, page: Any, screenshot: Any) -> None:
    page.goto(f"{server}/filters?run=channels&gate=b1u01")
    settled(page, ".js-plotly-plot")
    frame = page.evaluate(FRAME)
    page.mouse.click(frame["left"] + frame["width"] * 4.5 / 9, frame["top"] + 0.5 * frame["height"])
    page.wait_for_url("**gate=b2u02**filter=b2u02**")
    settled(page, ".js-plotly-plot")
    bars = page.evaluate(
        FRAME.replace("querySelector('.js-plotly-plot')", "querySelectorAll('.js-plotly-plot')[1]")
    )
    title = page.get_by_text("Pictures that open B2U02/")
    before = title.inner_text()
    page.mouse.click(bars["left"] + 3, bars["top"] + bars["height"] * 1.5 / 32)
    page.wait_for_function("before => !document.body.innerText.includes(before)", arg=before)
    settled(page, ".js-plotly-plot")
    screenshot("filters")


@pytest.mark.slow
def test_the_sample_under_the_mouse_is_shown_and_a_lasso_selects(
    server: str, page: Any, runs: Path, screenshot: Any
) -> None:
    page.goto(f"{server}/map?run=noisy")
    settled(page, ".js-plotly-plot")
    frame = page.evaluate(FRAME)
    point = page.evaluate("""() => {
        const chart = document.querySelector('.js-plotly-plot'), [trace] = chart._fullData;
        const {xaxis, yaxis} = chart._fullLayout;
        return {x: xaxis._offset + xaxis.d2p(trace.x[0]),
                y: yaxis._offset + yaxis.d2p(trace.y[0])};
    }""")
    left, top = frame["left"], frame["top"]
    box = page.locator(".js-plotly-plot").first.bounding_box()
    page.mouse.move(box["x"] + point["x"] - 6, box["y"] + point["y"] - 6)
    page.mouse.move(box["x"] + point["x"], box["y"] + point["y"], steps=3)
    page.locator("figure img").wait_for(
        timeout=30_000
    )  # a near point may lie over it: whichever is under the mouse
    page.mouse.move(left + 2, top + 2)
    page.mouse.down()
    for across, down in ((0.5, 0.01), (0.5, 0.99), (0.01, 0.99), (0.01, 0.01)):
        page.mouse.move(left + across * frame["width"], top + down * frame["height"], steps=5)
    page.mouse.up()
    page.get_by_text("Clear selection").wait_for(timeout=30_000)
    settled(page, ".js-plotly-plot")
    said = int(page.get_by_text("selected: lasso over").inner_text().split()[0])
    x = load_results(Run(runs / "noisy"), "embed")[0].values["position"][0]
    middle = frame["x"][0] + 0.5 * (frame["x"][1] - frame["x"][0])
    slack = 2 * (frame["x"][1] - frame["x"][0]) / frame["width"]
    assert (x < middle - slack).sum() <= said <= (x < middle + slack).sum()
    assert page.evaluate("document.querySelector('.js-plotly-plot').layout.shapes") in (None, [])
    screenshot("map")
    page.mouse.move(box["x"] + point["x"] - 6, box["y"] + point["y"] - 6)
    page.mouse.move(box["x"] + point["x"], box["y"] + point["y"], steps=3)
    page.wait_for_timeout(500)
    page.mouse.click(box["x"] + point["x"], box["y"] + point["y"])
    page.wait_for_url("**/sample?**id=*")


@pytest.mark.slow
def test_every_page_opens_by_its_link(server: str, page: Any, screenshot: Callable[[str], None]) -> None:
    """Without a complaint in the console or a request to another host, which the fixture sees to."""
    for name in sorted(path.stem for path in VIEWS.glob("*.py") if path.stem != "__init__"):
        page.goto(f"{server}/{'' if name == 'runs' else name}?run=noisy")
        settled(page, '[data-testid="stMainBlockContainer"] [data-testid="stElementContainer"]')
        assert page.locator('[data-testid="stException"]').count() == 0, name
        assert page.locator('[data-testid="stAlertContentError"]').count() == 0, name
        screenshot(f"link-{name}")


@pytest.mark.slow
def test_the_download_is_the_commands_file(server: str, page: Any, runs: Path, printed: Any) -> None:
    page.goto(f"{server}/export?run=noisy&cause=label")
    settled(page, '[data-testid="stDownloadButton"]')
    page.get_by_text("that pass the filter").click()
    page.get_by_test_id("stCode").filter(has_text="--cause label").wait_for(state="attached")
    settled(page, '[data-testid="stDownloadButton"]')
    with page.expect_download(timeout=60_000) as waiting:
        page.get_by_test_id("stDownloadButton").get_by_role("button").click()
    got = Path(waiting.value.path()).read_bytes()
    command = " ".join(page.get_by_test_id("stCode").inner_text().split())
    assert command.startswith("memgate export ")
    assert "--cause label" in command
    assert Path(printed(*shlex.split(command)[1:]).split()[-1]).read_bytes() == got
    assert len(got.splitlines()) - 1 == (Run(runs / "noisy").manifest.cause == "label").sum()


@pytest.mark.slow
def test_the_keyboard_reaches_a_tile(server: str, page: Any) -> None:
    page.goto(f"{server}/gallery?run=noisy")
    settled(page, ".tile")
    tiles = page.locator(".tile")
    tiles.first.focus()
    page.keyboard.press("ArrowRight")
    focus = tiles.nth(1).get_attribute("data-id")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/sample?**id={focus}**")


@pytest.mark.slow
def test_a_link_restores_split_and_filter(server: str, page: Any, runs: Path) -> None:
    page.goto(f"{server}/overview?run=noisy&split=train&cause=label")
    settled(page, ".js-plotly-plot")
    cause = Run(runs / "noisy").manifest.cause
    page.get_by_text(f"{(cause == 'label').sum()} of 600 samples match").wait_for()
    page.get_by_text("test", exact=True).first.click()
    page.wait_for_url("**split=test**")
    settled(page, ".js-plotly-plot")
    page.go_back()
    page.wait_for_url("**split=train&cause=label**")


@pytest.mark.slow
def test_an_unknown_host_name_is_refused(server: str) -> None:
    """Otherwise a page on another site could read the dashboard through a name that it points at 127.0.0.1."""
    import http.client

    connection = http.client.HTTPConnection(server.removeprefix("http://"), timeout=10)
    connection.request(
        "GET", "/_stcore/stream", headers={"Host": "evil.example", "Upgrade": "websocket", "Connection": "Upgrade",
                                           "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
                                           "Sec-WebSocket-Version": "13"}
    )  # fmt: skip
    assert connection.getresponse().status in (400, 403)
