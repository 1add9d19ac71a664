"""How soon the page can be used, how long a move of a slider takes, and what a frame of the map costs.

    python benchmarks/page.py runs/cifar10-robust --out page.json

starts ``zehn serve`` on a run or a collection and drives Chromium, which draws without a graphics card here: the time
that scripts take in a frame is the browser's own figure (ScriptDuration of its Performance domain) and does not depend
on that; frames a second would, and are not told. The first page is opened anew each time with an empty cache, on a
service that is warm. A move of a slider is timed within the page, from the event to the decoded picture and its
neighbours being there. The map is made first, where it is not there. Prints a table; ``--out`` keeps it as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

SIZE: ViewportSize = {"width": 1440, "height": 900}
ARGUMENTS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--no-sandbox")
SECONDS_TO_START = 120.0
SECONDS_FOR_MAP = 1800.0
TRACK = """
([selector, part]) => new Promise((resolve, reject) => {
  const image = document.querySelector(".decoded");
  const slider = document.querySelector(selector);
  const [low, high] = [Number(slider.min), Number(slider.max)];
  setTimeout(() => reject(new Error("the picture did not change")), 20000);
  const began = performance.now();
  image.addEventListener("load", () => requestAnimationFrame(() => resolve(performance.now() - began)), {once: true});
  slider.value = low + part * (high - low);
  slider.dispatchEvent(new Event("input", {bubbles: true}));
})
"""
"""Moves a slider; resolves with the milliseconds until the picture is painted; its neighbours are there before it."""
COUNT_FRAMES = "() => { window.frames_ = 0; (function one() { window.frames_ += 1; requestAnimationFrame(one); })(); }"


@contextmanager
def serving(what: str) -> Iterator[str]:
    """Start the service on what is named; yield its address once it is ready, and end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "zehn", "serve", what, "--port", str(port), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: asked(f"{url}/api/v1/ready") is not None, SECONDS_TO_START)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def asked(url: str, method: str = "GET") -> Any:
    """Return what an address answers, or None where it does not."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=30) as answer:  # noqa: S310
            return json.load(answer)
    except OSError:
        return None


def wait_for(done: Any, seconds: float) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: it is not, after so long.

    """
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("the service did not come so far")
        time.sleep(0.3)


def first_page(browser: Browser, url: str, n: int) -> dict[str, float]:
    """Open the page n times with an empty cache; return medians, and the bytes of one."""
    usable, painted, weight = [], [], {"images": 0.0, "rest": 0.0}
    for _ in range(n):
        context = browser.new_context(viewport=SIZE)
        page = context.new_page()
        weight = weigh(page)
        page.goto(url, wait_until="commit")
        page.wait_for_selector(".wall img")
        usable.append(page.evaluate("performance.now()"))
        page.wait_for_load_state("networkidle")
        painted.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        context.close()
    return {
        "first paint, ms": statistics.median(painted),
        "usable, ms": statistics.median(usable),
        "usable, slowest, ms": max(usable),
        "page, compressed bytes": weight["rest"],
        "its images, bytes": weight["images"],
    }


def weigh(page: Page) -> dict[str, float]:
    """Return a count, kept up to date, of the bytes that come over the network, headers too."""
    weight = {"images": 0.0, "rest": 0.0}
    kinds: dict[str, str] = {}
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.responseReceived", lambda told: kinds.update({told["requestId"]: told["type"]}))

    def finished(told: dict[str, Any]) -> None:
        weight["images" if kinds.get(told["requestId"]) == "Image" else "rest"] += told["encodedDataLength"]

    session.on("Network.loadingFinished", finished)
    return weight


def slider_moves(browser: Browser, url: str, name: str, n: int) -> dict[str, float]:
    """Move sliders n times, each after the one before has been answered; return how long that took."""
    page = browser.new_context(viewport=SIZE).new_page()
    page.goto(f"{url}/#/{name}/sliders")
    page.wait_for_selector(".frames img[src^='data:']")
    taken = []
    for nth in range(n):
        page.wait_for_timeout(20)
        taken.append(page.evaluate(TRACK, [f"#slider-{nth % 10}", 0.25 + 0.5 * (nth // 10 % 2)]))
    page.context.close()
    return {
        "slider move, median, ms": statistics.median(taken),
        "slider move, 95 %, ms": sorted(taken)[int(0.95 * len(taken))],
        "slider move, slowest, ms": max(taken),
    }


def panning(browser: Browser, url: str, name: str, n: int) -> dict[str, float]:
    """Drag the map n steps; return what scripts take in a frame."""
    page = browser.new_context(viewport=SIZE).new_page()
    page.goto(f"{url}/#/{name}/map")
    page.wait_for_selector(".labels button")
    page.wait_for_timeout(1500)
    box = page.locator(".stage-frame").bounding_box()
    if box is None:
        raise TimeoutError("the map is not there")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.evaluate(COUNT_FRAMES)
    page.mouse.move(x, y)
    page.mouse.down()
    before, n_before = spent(session), page.evaluate("window.frames_")
    for nth in range(n):
        page.mouse.move(x + 2 * nth, y + nth)
    after, n_after = spent(session), page.evaluate("window.frames_")
    page.mouse.up()
    page.context.close()
    n_frames = n_after - n_before
    return {
        "panning, frames": n_frames,
        "panning, script ms a frame": 1000 * (after["ScriptDuration"] - before["ScriptDuration"]) / n_frames,
        "panning, main thread ms a frame": 1000 * (after["TaskDuration"] - before["TaskDuration"]) / n_frames,
    }


def spent(session: Any) -> dict[str, float]:
    """Return the seconds that the browser counts."""
    return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}


def make_map(url: str, name: str) -> float:
    """Make the map where it is not there; return the seconds that took."""
    at = f"{url}/api/v1/collections/{name}/map"
    began = time.perf_counter()
    asked(at, "POST")
    wait_for(lambda: (asked(at) or {}).get("state") in {"done", "failed"}, SECONDS_FOR_MAP)
    return time.perf_counter() - began


def main() -> None:
    """Measure, print, and keep where asked."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("what", help="a run folder or a collection")
    given.add_argument("--pages", type=int, default=10)
    given.add_argument("--moves", type=int, default=60)
    given.add_argument("--frames", type=int, default=60)
    given.add_argument("--out", type=Path)
    options = given.parse_args()
    path = shutil.which("chromium") or sys.exit("chromium is not installed; install it: apt-get install chromium")
    with serving(options.what) as url, sync_playwright() as driver:
        name = asked(f"{url}/api/v1/collections")["collections"][0]["name"]
        found = {"cores": os.cpu_count() or 1, "map, seconds to make or find": make_map(url, name)}
        browser = driver.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        found |= first_page(browser, url, options.pages)
        found |= slider_moves(browser, url, name, options.moves)
        found |= panning(browser, url, name, options.frames)
        browser.close()
    for what, value in found.items():
        print(f"{what:<36}{value:>14,.2f}")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
