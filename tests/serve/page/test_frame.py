"""What is around the views: nothing to show, the token, a service that is gone, light and dark."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Route, expect

from zehn.serve.settings import Settings
from zehn.serve.shelves import Shelves

from .conftest import PHONE, RUN, Enter, Served, listening


def test_without_collections_it_says_how_to_make_one(
    enter: Enter, home: object, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("ZEHN_HOME", str(tmp_path))
    monkeypatch.chdir(str(tmp_path))
    with Shelves.open([], Settings()) as shelves, listening(shelves, Settings()) as served:
        visit = enter(served)
        visit.page.goto(served.url)
        expect(visit.page.get_by_role("heading", name="Nothing to search yet")).to_be_visible()
        expect(visit.page.locator("code").first).to_have_text("zehn index create photos")
        visit.page.get_by_role("button", name="Look again").click()
        expect(visit.page.get_by_role("heading", name="Nothing to search yet")).to_be_visible()


def test_where_reading_needs_the_token_it_is_asked_for(enter: Enter, run_service: Served) -> None:
    visit = enter(run_service)
    visit.expected.append("status of 401")
    token: list[str] = []

    def guard(route: Route) -> None:
        if token:
            route.continue_()
        else:
            route.fulfill(status=401, json={"title": "Unauthorized", "status": 401, "detail": "needs a token"})

    def session(route: Route) -> None:
        token.append(json.loads(route.request.post_data or "")["token"])
        route.fulfill(status=204)

    visit.page.route("**/api/v1/**", guard)
    visit.page.route("**/api/v1/session", session)
    visit.page.goto(visit.url)
    visit.page.get_by_label("Token").fill("secret")
    visit.page.get_by_role("button", name="Open").click()
    expect(visit.page.get_by_role("heading", name="What looks like this?")).to_be_visible()
    assert token == ["secret"]


def test_a_service_that_is_gone_is_told_and_tried_again(enter: Enter, run_service: Served) -> None:
    visit = enter(run_service)
    visit.expected.append("ERR_FAILED")
    visit.open(f"{RUN}/search?id=3")
    visit.page.route("**/search", lambda route: route.abort())
    visit.page.get_by_role("radio", name="cosine").check()
    expect(visit.page.get_by_role("alert")).to_contain_text("The service does not answer")
    visit.page.unroute("**/search")
    visit.page.get_by_role("button", name="Try again").click()
    expect(visit.page.get_by_role("alert")).to_have_count(0)
    expect(visit.page.get_by_role("status")).to_contain_text("by cosine distance")


def test_a_busy_service_is_asked_again(enter: Enter, run_service: Served) -> None:
    visit = enter(run_service)
    visit.expected.append("status of 503")
    answers = [503]

    def busy(route: Route) -> None:
        if answers:
            route.fulfill(status=answers.pop(), headers={"Retry-After": "1"}, json={"detail": "busy"})
        else:
            route.continue_()

    visit.page.route("**/search", busy)
    visit.open(f"{RUN}/search?id=3")
    expect(visit.hits()).to_have_count(10)
    assert not answers


def test_what_takes_long_shows_that_it_does(enter: Enter, run_service: Served) -> None:
    visit = enter(run_service)
    held: list[Route] = []
    visit.page.route("**/search", lambda route: held.append(route))  # noqa: PLW0108 – Playwright marks its handlers
    visit.open(f"{RUN}/search")
    waiting = visit.page.get_by_role("progressbar", name="Waiting for the service")
    expect(waiting).to_be_hidden()
    visit.page.get_by_label("Images of the collection").get_by_role("link").first.click()
    expect(waiting).to_be_visible()
    held[0].continue_()
    expect(visit.hits()).to_have_count(10)
    expect(waiting).to_be_hidden()


def test_dark_and_light_follow_the_system_until_one_chooses(enter: Enter, run_service: Served) -> None:
    visit = enter(run_service, color_scheme="dark")
    visit.open(f"{RUN}/search")
    root, toggle = visit.page.locator("html"), visit.page.get_by_role("button", name="Dark mode")
    expect(root).to_have_attribute("data-theme", "dark")
    expect(toggle).to_have_attribute("aria-pressed", "true")
    toggle.click()
    expect(root).to_have_attribute("data-theme", "light")
    visit.page.reload()
    expect(root).to_have_attribute("data-theme", "light")
    expect(toggle).to_have_attribute("aria-pressed", "false")
    toggle.click()
    expect(root).to_have_attribute("data-theme", "dark")
    visit.page.emulate_media(color_scheme="light")
    expect(root).to_have_attribute("data-theme", "light")


@pytest.mark.parametrize("view", ["search", "search?id=3", "search?id=3&why=4", "sliders", "distort?id=3", "run"])
def test_nothing_is_wider_than_a_phone(enter: Enter, run_service: Served, view: str) -> None:
    visit = enter(run_service, PHONE)
    visit.open(f"{RUN}/{view}")
    visit.page.wait_for_load_state("networkidle")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_a_cut_link_leads_somewhere(enter: Enter, run_service: Served) -> None:
    visit = enter(run_service)
    for address in (f"{RUN}/nonsense", f"{RUN}/search?code=abc", f"{RUN}/search?id=-1", f"{RUN}", "?"):
        visit.page.goto(f"{visit.url}/#/{address}")
        expect(visit.page.get_by_role("heading", name="What looks like this?")).to_be_visible()


def test_the_page_keeps_to_its_policy(enter: Enter, run_service: Served) -> None:
    visit = enter(run_service)
    answer = visit.page.goto(visit.url)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy
