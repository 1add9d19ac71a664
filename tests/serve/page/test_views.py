"""Ten sliders, Distort and Run, as somebody uses them."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Route, expect

from zehn import store

from .conftest import PICTURES, RUN, Enter, Served, Visit


@pytest.mark.cifar10
def test_a_slider_changes_the_picture_and_its_neighbours(visit: Visit, service: Served) -> None:
    visit.open(f"{PICTURES}/sliders?id=5")
    image = visit.page.get_by_role("img", name="What these numbers decode to")
    expect(visit.hits()).to_have_count(10)
    assert visit.shown_ids()[0] == "5"
    expect(visit.page.locator(".frames img[src^='data:']")).to_have_count(50)
    before, address = image.get_attribute("src"), visit.page.url
    visit.page.get_by_label("z3", exact=True).fill("60")
    expect(image).not_to_have_attribute("src", str(before))
    visit.page.wait_for_url(lambda url: "code=" in url and url != address)
    text = re.search(r"code=([\w-]+)", visit.page.url)[1]  # type: ignore[index]
    code = np.frombuffer(base64.urlsafe_b64decode(text + "=="), "<f4")
    own = service.shelves[PICTURES].codes([5])[0]
    assert abs(code[2] - 60) < 2
    np.testing.assert_array_equal(np.delete(code, 2), np.delete(own, 2))
    found = service.shelves[PICTURES].search(code[None], 10)[0]
    assert visit.shown_ids() == [str(hit.id) for hit in found]
    visit.page.get_by_role("link", name="Search with these numbers").click()
    expect(visit.page).to_have_url(re.compile(rf"/search\?code={text}"))
    expect(visit.page.locator("h1")).to_have_text("Ten numbers")


@pytest.mark.cifar10
def test_sliders_go_back_to_their_start_and_to_the_mean(visit: Visit) -> None:
    visit.open(f"{PICTURES}/sliders?id=5")
    slider, shown = visit.page.get_by_label("z1", exact=True), visit.page.locator("output").first
    expect(visit.hits()).to_have_count(10)
    beginning = shown.inner_text()
    slider.focus()
    visit.page.keyboard.press("ArrowRight")
    expect(shown).not_to_have_text(beginning)
    visit.page.get_by_role("button", name="Back to start").click()
    expect(shown).to_have_text(beginning)
    visit.page.get_by_role("button", name="The average").click()
    expect(shown).not_to_have_text(beginning)
    visit.page.get_by_role("button", name="Surprise me").click()
    visit.page.wait_for_url("**id=**")


@pytest.mark.cifar10
def test_while_one_move_is_answered_only_the_newest_waits(visit: Visit) -> None:
    visit.open(f"{PICTURES}/sliders?id=5")
    expect(visit.hits()).to_have_count(10)
    held: list[Route] = []
    visit.page.route("**/search", lambda route: held.append(route))  # noqa: PLW0108 – Playwright marks its handlers
    slider = visit.page.get_by_label("z1", exact=True)
    with visit.page.expect_request("**/search"):
        for number in range(-20, 20, 4):
            slider.fill(str(number))
    visit.page.wait_for_timeout(100)
    assert len(held) == 1
    with visit.page.expect_request("**/search") as second:
        held[0].continue_()
    assert abs(json.loads(second.value.post_data or "")["code"][0] - 16) < 2
    expect(visit.page.locator(".decoded")).to_be_visible()
    held[1].continue_()


@pytest.mark.cifar10
def test_an_own_image_is_taken_apart_by_the_sliders(visit: Visit, pictures: Path) -> None:
    visit.open(f"{PICTURES}/sliders")
    visit.drop(pictures / "cat" / "03.png")
    visit.page.wait_for_url("**code=**")
    expect(visit.hits().first.locator(".distance")).to_have_text("0")


def test_distorting_compares_the_old_with_the_new_model(enter: Enter, run_service: Served) -> None:
    visit = enter(run_service)
    visit.open(f"{RUN}/distort?id=3")
    make = visit.page.get_by_role("button", name="Make the robust codes")
    old, robust = visit.page.locator(".side.main"), visit.page.locator(".side.robust")
    expect(old.locator(".hit")).to_have_count(10)
    make.click()
    expect(robust.locator(".hit")).to_have_count(10)
    noise = visit.page.get_by_label("Noise")
    asked = visit.page.get_by_role("img", name="The query, distorted")
    before = asked.get_attribute("src")
    noise.fill("0.4")
    expect(visit.page.locator(".dial output").first).to_have_text("σ 0.40")
    expect(asked).not_to_have_attribute("src", str(before))
    noise.fill("0")
    visit.page.get_by_label("Tilt").fill("0")
    for side in (old, robust):
        expect(side.locator(".score")).to_contain_text("finds the original at rank 1")
        expect(side.locator(".hit.original .label")).to_contain_text("the original")
    again = asked.get_attribute("src")
    noise.fill("0.3")
    expect(asked).not_to_have_attribute("src", str(again))
    drawn = asked.get_attribute("src")
    visit.page.get_by_role("button", name="Another draw").click()
    expect(asked).not_to_have_attribute("src", str(drawn))
    address = visit.page.url
    visit.page.get_by_role("button", name="Another image").click()
    visit.page.wait_for_url(lambda url: url != address)


def test_making_robust_codes_shows_how_far_it_is(enter: Enter, run_service: Served) -> None:
    visit = enter(run_service)
    states = [("absent", 0), ("running", 60), ("failed", 60)]

    def tell(route: Route) -> None:
        state, n_done = states[0]
        route.fulfill(json={"state": state, "n_done": n_done, "n": 120, "error": "no memory"})

    visit.page.route("**/versions/robust", tell)
    visit.page.route("**/distort", lambda route: route.continue_())
    visit.open(f"{RUN}/distort?id=3")
    make = visit.page.get_by_role("button", name="Make the robust codes")
    expect(make).to_be_visible()
    states.pop(0)
    make.click()
    bar = visit.page.get_by_role("progressbar", name="Encoding all images")
    expect(bar).to_have_attribute("value", "60")
    expect(visit.page.get_by_text("60 of 120")).to_be_visible()
    states.pop(0)
    expect(visit.page.get_by_role("alert")).to_contain_text("no memory")


@pytest.mark.cifar10
def test_an_own_picture_is_distorted_and_its_link_says_that_it_is_gone(
    visit: Visit, enter: Enter, service: Served, pictures: Path
) -> None:
    visit.open(f"{PICTURES}/distort?id=5")
    visit.drop(pictures / "cat" / "03.png")
    visit.page.wait_for_url("**code=**")
    expect(visit.page.get_by_role("img", name="The query as it is")).to_have_attribute("src", re.compile("^data:"))
    expect(visit.page.locator(".side.main .hit")).to_have_count(10)
    other = enter(service)
    other.page.goto(visit.page.url)
    expect(other.page.get_by_text("The picture of this query is gone")).to_be_visible()


def test_a_run_tells_its_numbers_curves_and_figures(enter: Enter, run_service: Served, run: store.Run) -> None:
    visit = enter(run_service)
    visit.open(f"{RUN}/run")
    expect(visit.page.locator("h1")).to_have_text(RUN)
    expect(visit.page.locator(".tiles strong").first).to_have_text("0.610")
    expect(visit.page.get_by_text("Better than chance.")).to_be_visible()
    loss = visit.page.get_by_role("img", name="Loss, smaller is better by epoch: train, validation, test")
    expect(loss).to_be_visible()
    loss.hover()
    expect(visit.page.locator(".reading").first).to_contain_text("epoch 2: train 0.5")
    visit.page.get_by_text("The numbers", exact=True).first.click()
    expect(visit.page.get_by_role("table", name="Loss, smaller is better").locator("tbody tr")).to_have_count(3)
    expect(visit.page.get_by_role("heading", name="Distances compared")).to_be_visible()
    expect(visit.page.get_by_role("row", name="cosine 0.610 0.610 0.20 ms")).to_be_visible()
    figure = visit.page.get_by_role("link", name="A map of the test codes")
    assert visit.page.request.get(visit.url + str(figure.get_attribute("href"))).ok
    report = visit.page.get_by_role("link", name="Open the report (PDF)").get_attribute("href")
    answer = visit.page.request.get(visit.url + str(report))
    assert (answer.ok, answer.headers["content-type"]) == (True, "application/pdf")


def test_a_run_without_a_report_says_so(enter: Enter, run_service: Served) -> None:
    visit = enter(run_service)

    def told(route: Route) -> None:
        response = route.fetch()
        bare = {**response.json(), "headline": [], "verdict": "", "has_report": False}
        route.fulfill(response=response, json=bare)

    visit.page.route(f"**/runs/{RUN}", told)
    visit.page.route("**/history", lambda route: route.fulfill(json={"parts": []}))
    visit.page.route("**/figures", lambda route: route.fulfill(json={"figures": []}))
    visit.open(f"{RUN}/run")
    expect(visit.page.get_by_text("The report of this run has not been written yet")).to_be_visible()
    expect(visit.page.get_by_text("This run trained nothing")).to_be_visible()
    expect(visit.page.get_by_role("link", name="Open the report (PDF)")).to_have_count(0)
