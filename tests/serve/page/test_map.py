"""The map, as somebody uses it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Route, expect

from zehn.serve.maps import Map

from .conftest import PICTURES, RUN, Enter, Served, Visit

_MINUTES = 10


@pytest.fixture(scope="module")
def mapped(run_service: Served) -> Served:
    """The service with the map of its run made; it begins with the points that the run has, which needs no UMAP."""
    shelf = run_service.shelves[RUN]
    shelf.start_map()
    deadline = time.monotonic() + 60 * _MINUTES
    while shelf.map_task().state != "done" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert shelf.map_task().state == "done", shelf.map_task().error
    return run_service


@pytest.fixture
def chart(enter: Enter, mapped: Served) -> Visit:
    """Somebody before the map, all of it drawn."""
    visit = enter(mapped)
    visit.open(f"{RUN}/map")
    expect(visit.page.get_by_role("application", name="Map of 120 images")).to_be_visible()
    expect(visit.page.get_by_text("Click a point to ask about its image.")).to_be_visible()
    return visit


def _map(served: Served) -> Map:
    found = served.shelves[RUN].map()
    assert found is not None
    return found


def _place(visit: Visit, served: Served, nth: int) -> tuple[float, float]:
    """Return where on the screen a point is, while all of the map is in view; as plane.js has it."""
    points = _map(served).points
    box = visit.page.locator(".stage-frame").bounding_box()
    assert box is not None
    low, high = points.min(axis=0), points.max(axis=0)
    zoom = 0.94 * min(box["width"] / (high[0] - low[0]), box["height"] / (high[1] - low[1]))
    x, y = (points[nth] - (low + high) / 2) * zoom
    return box["x"] + box["width"] / 2 + float(x), box["y"] + box["height"] / 2 - float(y)


def _n_coloured(visit: Visit) -> int:
    """Return how many pixels of the map are not empty."""
    return int(
        visit.page.evaluate(
            """() => new Promise((resolve, reject) => {
              setTimeout(() => reject(new Error("nothing was drawn")), 15000);
              const canvas = document.querySelector(".stage canvas");
              const copy = document.createElement("canvas");
              Object.assign(copy, {width: canvas.width, height: canvas.height});
              const context = copy.getContext("2d");
              document.querySelector(".stage-frame").dispatchEvent(new KeyboardEvent("keydown", {key: "0"}));
              requestAnimationFrame(() => {
                context.drawImage(canvas, 0, 0);
                const bytes = context.getImageData(0, 0, copy.width, copy.height).data;
                let n = 0;
                for (let at = 3; at < bytes.length; at += 4) n += bytes[at] > 0;
                resolve(n);
              });
            })"""
        )
    )


def test_making_it_shows_how_far_it_is(enter: Enter, run_service: Served) -> None:
    visit = enter(run_service)
    states: list[dict[str, Any]] = [
        {"state": "absent"},
        {"state": "running", "n_done": 30},
        {"state": "failed", "error": "needs umap-learn"},
    ]

    def tell(route: Route) -> None:
        rest: dict[str, Any] = {"n_done": 0, "n": 120, "error": None, "labels": [], "has": False, "is_current": False}
        route.fulfill(json={**rest, **states[0]})

    visit.page.route("**/map", tell)
    visit.open(f"{RUN}/map")
    make = visit.page.get_by_role("button", name="Make the map")
    expect(make).to_be_visible()
    states.pop(0)
    make.click()
    expect(visit.page.get_by_role("progressbar", name="UMAP is laying out the map")).to_have_attribute("value", "30")
    expect(visit.page.get_by_text("30 of 120")).to_be_visible()
    states.pop(0)
    expect(visit.page.get_by_role("alert")).to_contain_text("needs umap-learn")


@pytest.mark.cifar10
def test_it_opens_when_it_is_made(visit: Visit) -> None:
    visit.open(f"{PICTURES}/map")
    visit.page.get_by_role("button", name="Make the map").click()
    stage = visit.page.get_by_role("application", name="Map of 120 images")
    expect(stage).to_be_visible(timeout=60_000 * _MINUTES)
    assert _n_coloured(visit) > 120


def test_points_are_drawn_and_labels_hidden(chart: Visit) -> None:
    everything = _n_coloured(chart)
    assert everything > 120
    legend = chart.page.get_by_label("Colours", exact=True)
    expect(legend.get_by_role("button")).to_have_count(10)
    three, four = legend.get_by_role("button").nth(3), legend.get_by_role("button").nth(4)
    three.click()
    expect(three).to_have_attribute("aria-pressed", "true")
    expect(four).to_have_attribute("aria-pressed", "false")
    assert 0 < _n_coloured(chart) < everything / 3
    legend.get_by_role("button", name="Show all").click()
    assert _n_coloured(chart) == everything


def test_a_point_shows_its_image_and_becomes_the_query(chart: Visit, mapped: Served) -> None:
    shelf = mapped.shelves[RUN]
    nth = int(np.argmax(_map(mapped).points[:, 0]))  # at the edge, where no other is nearer to the pointer
    id_ = int(_map(mapped).ids[nth])
    x, y = _place(chart, mapped, nth)
    chart.page.mouse.move(x, y)
    tip = chart.page.locator(".tip")
    expect(tip).to_have_text(f"{shelf.record(id_).label} number {id_}")
    assert f"/images/{id_}/picture" in str(tip.locator("img").get_attribute("src"))
    before = _n_coloured(chart)
    chart.page.mouse.click(x, y)
    chart.page.wait_for_url(f"**id={id_}*")
    asking = chart.page.get_by_label("Colours and query")
    expect(asking.locator(".minis a")).to_have_count(10)
    expect(asking.locator(".own")).to_contain_text(f"number {id_}")
    assert _n_coloured(chart) > before  # the query and its hits are ringed


def test_colours_by_distance_need_a_query(chart: Visit, mapped: Served) -> None:
    far = chart.page.get_by_role("radio", name="distance to the query")
    expect(far).to_be_disabled()
    chart.open(f"{RUN}/map?id=5")
    expect(far).to_be_enabled()
    with chart.page.expect_response("**/distances") as answered:
        far.check()
    values = np.frombuffer(answered.value.body(), "<f4")
    np.testing.assert_allclose(values, mapped.shelves[RUN].distances(mapped.shelves[RUN].codes([5])[0])[1])
    expect(chart.page.locator(".ramp")).to_be_visible()


def test_a_box_selects_images(chart: Visit) -> None:
    box = chart.page.locator(".stage-frame").bounding_box()
    assert box is not None
    chart.page.get_by_role("radio", name="selects").check()
    chart.page.mouse.move(box["x"] + 20, box["y"] + 20)
    chart.page.mouse.down()
    chart.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(chart.page.locator(".marquee")).to_be_visible()
    chart.page.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] - 60)
    chart.page.mouse.up()
    expect(chart.page.locator(".marquee")).to_be_hidden()
    picked = chart.page.get_by_label("Selected images")
    expect(picked.get_by_role("heading")).to_contain_text("images selected")
    n_shown = picked.get_by_role("listitem").count()
    assert 30 < n_shown <= 60
    picked.get_by_role("button", name="More").click()
    assert picked.get_by_role("listitem").count() > n_shown
    picked.get_by_role("link").first.click()
    expect(chart.hits()).to_have_count(10)


def test_what_is_in_view_is_taken_by_keyboard(chart: Visit) -> None:
    stage = chart.page.get_by_role("application")
    stage.focus()
    for _ in range(3):
        chart.page.keyboard.press("ArrowRight")
    chart.page.keyboard.press("0")
    chart.page.get_by_role("button", name="Take what is in view").press("Enter")
    expect(chart.page.get_by_role("heading", name="120 images selected")).to_be_focused()
    expect(chart.page.get_by_label("Selected images")).to_contain_text("and 7 other labels")
    chart.page.get_by_role("button", name="Clear").click()
    expect(chart.page.get_by_label("Selected images")).to_be_hidden()


def test_images_appear_when_one_zooms_in(chart: Visit, mapped: Served) -> None:
    expect(chart.page.locator(".close-ups img")).to_have_count(0)
    x, y = _place(chart, mapped, 7)
    chart.page.mouse.move(x, y)
    for _ in range(12):
        chart.page.mouse.wheel(0, -120)
    shown = chart.page.locator(".close-ups img")
    expect(shown.first).to_be_visible()
    sources = [str(image.get_attribute("src")) for image in shown.all()]
    id_ = int(_map(mapped).ids[7])
    assert any(f"/images/{id_}/picture" in source for source in sources)
    chart.page.get_by_role("button", name="Show all").click()
    expect(shown).to_have_count(0)


def test_an_older_map_serves_until_a_new_one_is_wanted(enter: Enter, mapped: Served) -> None:
    visit = enter(mapped)
    posted: list[str] = []

    def tell(route: Route) -> None:
        if route.request.method == "POST":
            posted.append(route.request.url)
            route.fulfill(json={"state": "running", "n_done": 1, "n": 120, "error": None, "labels": [], "has": True})
        elif posted:
            route.continue_()
        else:
            response = route.fetch()
            route.fulfill(json={**response.json(), "state": "absent", "is_current": False})

    visit.page.route("**/map", tell)
    visit.open(f"{RUN}/map")
    expect(visit.page.get_by_text("The collection has changed since this map was made")).to_be_visible()
    assert _n_coloured(visit) > 120
    visit.page.get_by_role("button", name="Make it anew").click()
    expect(visit.page.get_by_text("The collection has changed")).to_have_count(0)
    expect(visit.page.get_by_role("application")).to_be_visible()
    assert _n_coloured(visit) > 120
    assert posted


def test_without_webgl_it_says_so(enter: Enter, mapped: Served) -> None:
    visit = enter(mapped)
    visit.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null;")
    visit.open(f"{RUN}/map")
    expect(visit.page.get_by_role("alert")).to_contain_text("This browser has no WebGL")


def test_a_lost_context_is_drawn_again(chart: Visit) -> None:
    before = _n_coloured(chart)
    chart.page.evaluate(
        """() => new Promise((resolve) => {
          const canvas = document.querySelector(".stage canvas");
          const lost = canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
          canvas.addEventListener("webglcontextrestored", () => setTimeout(resolve, 100), {once: true});
          canvas.addEventListener("webglcontextlost", () => setTimeout(() => lost.restoreContext(), 50), {once: true});
          lost.loseContext();
        })"""
    )
    assert _n_coloured(chart) == before
