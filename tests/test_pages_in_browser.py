# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTML pages in a real browser without a window: Chromium or Chrome, where there is one."""

from __future__ import annotations

import contextlib
import itertools
import json
import select
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ota_runner.cli import execute

pytest.importorskip("gnuradio.gr", reason="the runs go through GNU Radio")

NAMES = ("google-chrome", "chromium", "chromium-browser")
WAIT_S = 60.0
PHONE, DESK = (390, 844), (1440, 900)


class Browser(contextlib.AbstractContextManager["Browser"]):
    """A browser with one page, spoken to in the DevTools protocol through a pair of pipes.

    Args:
        program: to be started.
        profile: a new folder that it may write to, also what it says.

    Attributes:
        faults: what went wrong in the page opened last: exceptions, and errors on its console.
        requests: addresses that it has asked for.
    """

    def __init__(self, program: str, profile: Path) -> None:
        words = [
            *("sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null', "sh", program),
            *("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"),
            *("--no-first-run", f"--user-data-dir={profile}", "about:blank"),
        ]
        with (profile / "log").open("wb") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0
            )
        self._numbers = itertools.count(1)
        self._session: dict[str, str] = {}
        self._left = b""
        self.faults: list[Any] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = {"sessionId": session}
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters, **self._session}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            self._note(answer)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def open(self, page: Path, size: tuple[int, int], dark: bool = False) -> None:
        """Load a page and wait until all of it is drawn."""
        self.load(page, size, dark)
        self.evaluate(DRAWN)

    def load(self, page: Path, size: tuple[int, int], dark: bool = False) -> None:
        """Load a page."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
        self.call("Emulation.setDeviceMetricsOverride", **metrics, mobile=size == PHONE)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.faults, self.requests = [], []
        self.call("Page.navigate", url=page.resolve().as_uri())
        while self._note(self._next()) != "Page.loadEventFired":
            pass

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page; waits for a promise."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        answer = self.call("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def _note(self, event: dict[str, Any]) -> str:
        method, details = event.get("method", ""), event.get("params", {})
        entry = details.get("entry", {})
        if method == "Runtime.exceptionThrown" or entry.get("level") == "error":
            self.faults.append(details)
        if method == "Network.requestWillBeSent":
            self.requests.append(details["request"]["url"])
        return str(method)

    def _next(self) -> dict[str, Any]:
        answers = self._process.stdout
        assert answers is not None
        while b"\0" not in self._left:
            ready, _, _ = select.select([answers], [], [], WAIT_S)
            chunk = answers.read(1 << 20) if ready else b""
            if not chunk:
                raise OSError("the browser does not answer")
            self._left += chunk
        message, _, self._left = self._left.partition(b"\0")
        return dict(json.loads(message))

    def __exit__(self, *_: object) -> None:
        # It ends with its pipe.
        try:
            self._process.communicate(timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


# Pictures that are out of sight load when they are asked for; figures draw themselves at once.
DRAWN = """(async () => {
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map(image => image.decode()));
  const empty = () => [...document.querySelectorAll(".plot")].filter(p => !p.querySelector("svg"));
  for (let tries = 0; empty().length && tries < 300; tries++) {
    await new Promise(done => setTimeout(done, 50));
  }
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    profile = tmp_path_factory.mktemp("profile")
    try:
        browser = Browser(program, profile)
    except OSError as error:  # as where Ubuntu's package asks for one of another kind
        said = (profile / "log").read_text(errors="replace").strip() or str(error)
        pytest.skip(f"no browser: {program} does not start: {said.splitlines()[-1]}")
    with browser:
        yield browser


@pytest.fixture(scope="module")
def runs(small_samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two runs, an analogue and a digital one, and pages over both."""
    folder = tmp_path_factory.mktemp("runs")
    for scheme, radio in (("linear", ["loopback"]), ("jpeg+ldpc", ["ideal", "--snr", "-8"])):
        words = ["--scheme", scheme, "--radio", *radio, "--images", str(small_samples)]
        words += ["--count", "2"]
        execute([*words, "--output", str(folder / scheme)])
    both = [str(folder / scheme) for scheme in ("linear", "jpeg+ldpc")]
    assert execute(["report", *both, "--output", str(folder / "both.html")]) == 0
    assert execute(["compare", *both, "--output", str(folder)]) == 0
    return folder


PAGES = ["linear/report.html", "jpeg+ldpc/report.html", "both.html", "compare.html"]


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("page", PAGES)
def test_pages_load_alone_and_fit(
    browser: Browser, runs: Path, page: str, size: tuple[int, int]
) -> None:
    browser.open(runs / page, size)
    assert browser.faults == []
    outside = [url for url in browser.requests if not url.startswith(("data:", "blob:"))]
    assert outside == [(runs / page).as_uri()]
    assert browser.evaluate("document.documentElement.scrollWidth") <= size[0]
    shown = "[...document.images].map(i => [i.alt !== '', i.naturalWidth > 0, i.clientWidth > 0])"
    pictures = browser.evaluate(shown)
    assert len(pictures) >= 4
    assert all(map(all, pictures)), pictures


@pytest.mark.parametrize("page", PAGES[:2])
def test_all_figures_are_drawn(browser: Browser, runs: Path, page: str) -> None:
    browser.open(runs / page, DESK)
    figures = json.loads(browser.evaluate("document.getElementById('figures').textContent"))
    titles = [figure["layout"]["title"]["text"] for figure in figures]
    assert {"Latency by stage", "Frames"} < set(titles)
    assert any(title.startswith("Constellation") for title in titles)
    assert ("Spectrum" in titles) == page.startswith("linear")
    drawn = browser.evaluate(
        "[...document.querySelectorAll('.plot')].map(plot => [plot.ariaLabel,"
        " plot.querySelectorAll('.scatterlayer > .trace, .barlayer > .trace').length])"
    )
    assert drawn == [
        [title, len(figure["data"])] for title, figure in zip(titles, figures, strict=True)
    ]


def test_dark_and_light(browser: Browser, runs: Path) -> None:
    """Page and figures follow what the system asks for, also while the page is open."""
    colours = """(() => {
      const brightness = text => text.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 765;
      const of = (selector, name) =>
        brightness(getComputedStyle(document.querySelector(selector))[name]);
      return [of("body", "backgroundColor"), of("body", "color"), of(".plot text", "fill")];
    })()"""
    for dark in (False, True):
        browser.open(runs / PAGES[0], PHONE, dark=dark)
        for turned in (dark, not dark):
            scheme = {"name": "prefers-color-scheme", "value": "dark" if turned else "light"}
            browser.call("Emulation.setEmulatedMedia", features=[scheme])
            browser.evaluate("new Promise(done => setTimeout(done, 500))")
            page, text, figure = browser.evaluate(colours)
            assert (page < 0.2, text > 0.8, figure > 0.8) == (turned,) * 3


TRANSFORMS = """[...document.querySelector(".viewer").querySelectorAll("img")].map(image => {
  const {a, e, f} = new DOMMatrix(getComputedStyle(image).transform);
  return [a, e / image.clientWidth, f / image.clientHeight];
})"""


def press(browser: Browser, key: str) -> None:
    code = {"ArrowRight": 39}.get(key, ord(key[0]))
    text = {} if len(key) > 1 else {"text": key}
    browser.call(
        "Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text
    )
    browser.call("Input.dispatchKeyEvent", type="keyUp", key=key)


def test_pictures_zoom_and_move_together(browser: Browser, runs: Path) -> None:
    browser.open(runs / PAGES[0], DESK)
    assert browser.evaluate(TRANSFORMS) == [[1, 0, 0]] * 3
    place = "document.querySelectorAll('.frame')[1].getBoundingClientRect().toJSON()"
    box = browser.evaluate(place)
    at = {"x": box["x"] + box["width"] / 4, "y": box["y"] + box["height"] / 2}
    wheel = {"type": "mouseWheel", "deltaX": 0, "deltaY": -300, **at}
    browser.call("Input.dispatchMouseEvent", **(wheel | {"deltaY": 1}))
    assert browser.evaluate(TRANSFORMS) == [[1, 0, 0]] * 3  # nobody has turned to it
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)
    browser.call("Input.dispatchMouseEvent", **wheel)
    browser.evaluate("new Promise(requestAnimationFrame)")
    first, *others = browser.evaluate(TRANSFORMS)
    scale, x, y = first
    assert scale == pytest.approx(1.822, abs=0.01)  # exp(0.6)
    assert (x, y) == pytest.approx(((1 - scale) / 4, (1 - scale) / 2), abs=0.01)
    assert others == [pytest.approx(first)] * 2
    press(browser, "ArrowRight")
    assert browser.evaluate(TRANSFORMS)[2] == pytest.approx([scale, x - 0.1, y], abs=0.01)
    browser.evaluate("document.querySelector('.tools button[value=in]').click()")
    assert browser.evaluate(TRANSFORMS)[0][0] == pytest.approx(1.5 * scale, rel=1e-3)
    press(browser, "0")
    assert browser.evaluate(TRANSFORMS) == [[1, 0, 0]] * 3
    assert browser.evaluate("document.activeElement.matches('.frame:focus-visible')")


def test_the_slider_lays_the_picture_sent_over_the_other(browser: Browser, runs: Path) -> None:
    browser.open(runs / PAGES[0], DESK)
    browser.evaluate(
        "(() => { const slider = document.querySelector('.viewer input'); slider.value = 30;"
        " slider.dispatchEvent(new Event('input')); })()"
    )
    sent, *_ = browser.evaluate("[...document.querySelectorAll('.viewer img')].map(i => i.src)")
    [over] = browser.evaluate("[...document.querySelectorAll('.over img')].map(i => i.src)")
    assert over == sent
    assert "70%" in browser.evaluate("getComputedStyle(document.querySelector('.over')).clipPath")


def test_pictures_are_there_without_scripts(browser: Browser, runs: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.load(runs / PAGES[0], PHONE)
        assert browser.evaluate("[...document.images].every(i => i.clientWidth > 0)")
        assert browser.evaluate("document.querySelector('.tools').clientHeight") == 0
        assert browser.evaluate("document.querySelector('noscript').innerText") != ""
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
