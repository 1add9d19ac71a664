"""No serious finding of axe-core in any view, in light and dark, at a desk and on a phone."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import expect

from .conftest import DESK, PHONE, RUN, Enter, Served

SERIOUS = {"serious", "critical"}
VIEWS = {
    "search": ".wall img",
    "search?id=3&k=20": "ol.hits > li",
    "search?id=3&why=4": "dialog table",
    "sliders?id=3": ".frames img",
    "distort?id=3": ".hits > li",
    "run": ".gallery img",
    "nothing-there": ".wall img",
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_serious(enter: Enter, run_service: Served, size: tuple[int, int], theme: str) -> None:
    visit = enter(run_service, size, color_scheme=theme, reduced_motion="reduce")
    for view, there in VIEWS.items():
        visit.open(f"{RUN}/{view}")
        expect(visit.page.locator(there).first).to_be_visible()
        visit.page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        found = Axe().run(visit.page).response["violations"]
        serious = [
            (one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found if one["impact"] in SERIOUS
        ]
        assert serious == [], view


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_the_map(enter: Enter, run_service: Served, theme: str) -> None:
    visit = enter(run_service, DESK, color_scheme=theme)
    shelf = run_service.shelves[RUN]
    n = len(shelf)
    points = b"".join(
        (
            shelf.random_ids(n).astype("<i4").tobytes(),
            bytes(8 * n),
            bytes(2 * n),
        )
    )
    state = {"state": "done", "n_done": n, "n": n, "error": None, "labels": ["0"], "has": True, "is_current": True}
    visit.page.route("**/map", lambda route: route.fulfill(json=state))
    visit.page.route("**/map/points", lambda route: route.fulfill(body=points, content_type="application/octet-stream"))
    visit.open(f"{RUN}/map?id=3")
    expect(visit.page.locator(".minis img").first).to_be_visible()
    visit.page.get_by_role("button", name="Take what is in view").click()
    found = Axe().run(visit.page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in SERIOUS] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_there_is_nothing(enter: Enter, run_service: Served, theme: str) -> None:
    visit = enter(run_service, PHONE, color_scheme=theme)
    visit.page.route("**/collections", lambda route: route.fulfill(json={"collections": []}))
    visit.page.goto(visit.url)
    expect(visit.page.get_by_role("heading", name="Nothing to search yet")).to_be_visible()
    found = Axe().run(visit.page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in SERIOUS] == []
