"""Search and Why, as somebody uses them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from zehn import store

from .conftest import DESK, PICTURES, RUN, Enter, Served, Visit

pytestmark = pytest.mark.cifar10


def test_it_begins_with_images_to_choose_from(visit: Visit) -> None:
    visit.open("")
    expect(visit.page).to_have_url(f"{visit.url}/#/{PICTURES}/search")
    expect(visit.page.get_by_role("heading", name="What looks like this?")).to_be_visible()
    wall = visit.page.get_by_label("Images of the collection").get_by_role("link")
    expect(wall).to_have_count(60)
    visit.page.get_by_role("radio", name="frog").check()
    expect(wall).to_have_count(12)
    wall.first.click()
    expect(visit.hits()).to_have_count(10)
    expect(visit.page.locator("h1")).to_have_text("frog")


def test_a_dropped_image_finds_itself_first(visit: Visit, pictures: Path) -> None:
    visit.open(f"{PICTURES}/search")
    visit.drop(pictures / "cat" / "03.png")
    expect(visit.hits()).to_have_count(10)
    first = visit.hits().first
    expect(first.locator(".rank")).to_have_text("1")
    expect(first.locator(".distance")).to_have_text("0")
    expect(first.locator(".percentile")).to_have_text("100.00\u202f%")
    expect(first.locator(".path")).to_have_attribute("title", str(pictures / "cat" / "03.png"))
    expect(visit.page.locator("h1")).to_have_text("03.png")
    assert visit.page.locator(".query-picture img").get_attribute("src").startswith("blob:")  # type: ignore[union-attr]


def test_a_pasted_and_a_picked_image_are_asked_about(visit: Visit, pictures: Path) -> None:
    visit.open(f"{PICTURES}/search")
    visit.paste(pictures / "ship" / "00.png")
    expect(visit.page.locator("h1")).to_have_text("00.png")
    before = visit.page.url
    with visit.page.expect_file_chooser() as chooser:
        visit.page.get_by_role("button", name="Choose a file").click()
    chooser.value.set_files(pictures / "dog" / "01.png")
    expect(visit.page.locator("h1")).to_have_text("01.png")
    assert visit.page.url != before
    visit.page.go_back()
    expect(visit.page.locator("h1")).to_have_text("00.png")


def test_a_link_to_an_own_image_shows_what_its_numbers_kept(
    visit: Visit, enter: Enter, service: Served, pictures: Path
) -> None:
    visit.open(f"{PICTURES}/search")
    visit.drop(pictures / "cat" / "03.png")
    expect(visit.hits()).to_have_count(10)
    other = enter(service)
    other.page.goto(visit.page.url)
    expect(other.hits()).to_have_count(10)
    assert other.shown_ids() == visit.shown_ids()
    expect(other.page.locator("h1")).to_have_text("Ten numbers")
    assert other.page.locator(".query-picture img").get_attribute("src").startswith("data:image/png")  # type: ignore[union-attr]


def test_a_hit_becomes_the_query_and_back_leads_back(visit: Visit) -> None:
    visit.open(f"{PICTURES}/search?id=5")
    expect(visit.hits()).to_have_count(10)
    before = visit.shown_ids()
    assert "5" not in before
    visit.page.locator("ol.hits .hit-link").nth(2).click()
    expect(visit.page).to_have_url(f"{visit.url}/#/{PICTURES}/search?distance=euclidean&k=10&id={before[2]}")
    expect(visit.page.locator("p.path").first).to_contain_text(f"number {before[2]}")
    visit.page.go_back()
    expect(visit.page.locator("p.path").first).to_contain_text("number 5")
    assert visit.shown_ids() == before


def test_other_distances_move_the_hits(visit: Visit, service: Served) -> None:
    visit.open(f"{PICTURES}/search?id=5")
    expect(visit.hits()).to_have_count(10)
    visit.page.evaluate(
        "() => { const animate = Element.prototype.animate; window.moved = 0;"
        " Element.prototype.animate = function (...given) { window.moved += 1; return animate.apply(this, given); }; }"
    )
    visit.page.get_by_role("radio", name="mahalanobis").check()
    expect(visit.page).to_have_url(f"{visit.url}/#/{PICTURES}/search?id=5&distance=mahalanobis")
    found = service.shelves[PICTURES].search_ids([5], 10, distance="mahalanobis")[0]
    expect(visit.page.locator("ol.hits .distance").nth(9)).to_have_text(f"{found[9].distance:#.4g}")
    assert visit.shown_ids() == [str(hit.id) for hit in found]
    assert visit.page.evaluate("window.moved") > 0


def test_who_wants_no_motion_gets_none(enter: Enter, service: Served) -> None:
    visit = enter(service, reduced_motion="reduce")
    visit.open(f"{PICTURES}/search?id=5")
    expect(visit.hits()).to_have_count(10)
    visit.page.evaluate("() => { Element.prototype.animate = () => { throw new Error('moved'); }; }")
    visit.page.get_by_role("radio", name="chebyshev").check()
    expect(visit.page).to_have_url(f"{visit.url}/#/{PICTURES}/search?id=5&distance=chebyshev")
    expect(visit.hits()).to_have_count(10)


def test_more_hits_are_shown_and_matching_labels_marked(visit: Visit, service: Served) -> None:
    visit.open(f"{PICTURES}/search?id=5")
    visit.page.get_by_role("combobox", name="Hits").select_option("20")
    expect(visit.hits()).to_have_count(20)
    label = service.shelves[PICTURES].record(5).label
    n_same = sum(hit.label == label for hit in service.shelves[PICTURES].search_ids([5], 20)[0])
    expect(visit.page.locator("ol.hits > li.matches")).to_have_count(n_same)
    expect(visit.page.locator(".summary strong")).to_have_text(f"{n_same} of 20 are “{label}”, as the query")
    expect(visit.page.get_by_role("status")).to_contain_text("20 hits among 120 images by euclidean distance")


def test_surprise_me_asks_about_some_image(visit: Visit) -> None:
    visit.open(f"{PICTURES}/search?id=5&k=20&distance=cosine")
    expect(visit.hits()).to_have_count(20)
    visit.page.get_by_role("button", name="Surprise me").click()
    visit.page.wait_for_url(lambda url: not url.endswith("id=5") and "distance=cosine&k=20&id=" in url)
    expect(visit.hits()).to_have_count(20)


def test_the_link_is_copied(enter: Enter, service: Served) -> None:
    visit = enter(service, permissions=["clipboard-read", "clipboard-write"])
    visit.open(f"{PICTURES}/search?id=5&distance=cosine")
    visit.page.get_by_role("button", name="Copy link").click()
    expect(visit.page.get_by_role("button", name="Copied")).to_be_visible()
    assert visit.page.evaluate("navigator.clipboard.readText()") == visit.page.url


def test_why_tells_the_numbers_of_both(visit: Visit, service: Served) -> None:
    visit.open(f"{PICTURES}/search?id=5")
    visit.page.get_by_role("link", name="Why is number").nth(1).click()
    panel = visit.page.get_by_role("dialog")
    expect(panel).to_be_visible()
    rows = panel.get_by_role("table").locator("tbody tr")
    expect(rows).to_have_count(10)
    shelf = service.shelves[PICTURES]
    hit = shelf.search_ids([5], 2)[0][1]
    reasons = shelf.explain(shelf.codes([5])[0], hit.id, "euclidean")
    shares = [row.locator(".share span").inner_text() for row in rows.all()]
    assert shares == [f"{100 * part:.0f}\u202f%" for part in reasons.contributions]
    expect(panel.get_by_role("img", name="Hit: what its ten numbers kept")).to_be_visible()
    visit.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(visit.page).not_to_have_url(re.compile("why="))
    visit.page.go_back()
    expect(panel).to_be_visible()
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_be_hidden()


def test_views_are_found_for_the_query_at_hand(visit: Visit) -> None:
    visit.open(f"{PICTURES}/search?id=5&distance=cosine")
    visit.page.get_by_role("link", name="Move its numbers").click()
    expect(visit.page).to_have_url(f"{visit.url}/#/{PICTURES}/sliders?id=5&distance=cosine&k=10")
    visit.page.get_by_label("Views").get_by_role("link", name="Search").click()
    expect(visit.page.locator("h1")).not_to_have_text("What looks like this?")
    expect(visit.hits()).to_have_count(10)


def test_the_keyboard_is_enough(visit: Visit) -> None:
    visit.open(f"{PICTURES}/search")
    expect(visit.page.get_by_label("Images of the collection").get_by_role("link")).to_have_count(60)
    visit.page.keyboard.press("Tab")
    expect(visit.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("main")).to_be_focused()
    visit.page.get_by_label("Images of the collection").get_by_role("link").first.focus()
    visit.page.keyboard.press("Enter")
    expect(visit.hits()).to_have_count(10)
    visit.page.get_by_role("radio", name="euclidean").focus()
    visit.page.keyboard.press("ArrowDown")
    visit.page.wait_for_url("**distance=cosine**")
    expect(visit.page.get_by_role("radio", name="cosine")).to_be_focused()


def test_what_is_no_image_is_refused_in_words(visit: Visit, tmp_path: Path) -> None:
    visit.expected.append("status of 4")
    (tmp_path / "no.png").write_bytes(b"no image at all")
    (tmp_path / "none.png").write_bytes(b"")
    visit.open(f"{PICTURES}/search")
    visit.drop(tmp_path / "no.png")
    expect(visit.page.get_by_role("alert")).to_contain_text("image")
    expect(visit.page.get_by_role("alert").get_by_role("button", name="Try again")).to_be_visible()
    visit.drop(tmp_path / "none.png")
    expect(visit.page.get_by_role("alert")).to_contain_text("There is no image in that")


def test_names_and_images_that_are_not_there_are_told(visit: Visit) -> None:
    visit.expected.append("status of 404")
    visit.page.goto(f"{visit.url}/#/nothing/search")
    expect(visit.page.get_by_role("alert")).to_contain_text(f"There are: {PICTURES}, {RUN}.")
    visit.page.goto(f"{visit.url}/#/{PICTURES}/search?id=999999")
    expect(visit.page.get_by_role("alert")).to_contain_text("999999")
    visit.page.goto(f"{visit.url}/#/{PICTURES}/search?id=5")
    expect(visit.hits()).to_have_count(10)
    expect(visit.page.get_by_role("alert")).to_have_count(0)


def test_paths_and_labels_are_text_never_markup(enter: Enter, service: Served) -> None:
    visit = enter(service)
    evil = "<img src=x onerror=alert(1)><b>cat</b>"

    def answer(route: object) -> None:
        response = route.fetch()  # type: ignore[attr-defined]
        told = response.json()
        told["query"]["label"] = evil
        for hit in told["hits"]:
            hit["label"] = hit["path"] = evil
        route.fulfill(response=response, json=told)  # type: ignore[attr-defined]

    visit.page.route("**/search", answer)
    visit.open(f"{PICTURES}/search?id=5")
    expect(visit.page.locator("h1")).to_have_text(evil)
    assert visit.page.locator("main b, main img[src=x]").count() == 0


def test_other_collections_are_a_choice_away(visit: Visit, run: store.Run) -> None:
    visit.open(f"{PICTURES}/search?id=5")
    visit.page.get_by_role("combobox", name="Collection").select_option(RUN)
    expect(visit.page).to_have_url(f"{visit.url}/#/{RUN}/search")
    expect(visit.page.get_by_label("Views").get_by_role("link", name="Run")).to_be_visible()


def test_it_is_usable_within_a_round_trip_or_two(enter: Enter, service: Served) -> None:
    """How long that takes is measured by benchmarks/page.py; here, that nothing large or needless is asked for."""
    visit = enter(service, DESK)
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    visit.open(f"{PICTURES}/search")
    visit.page.wait_for_load_state("networkidle")
    assert not any(part in address for address in asked for part in ("map.js", "points.js", "run.js", "bokeh"))
    assert all(address.startswith(visit.url) for address in asked)
