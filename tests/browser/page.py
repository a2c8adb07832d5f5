"""The report's page in headless Chromium, from a file: `nox -s browser`.

Its name keeps it out of the suite, which needs no browser.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from ranparity.report import render
from ranparity.report.ladder_record import LADDER
from tests.programs import ROOT
from tests.report import ladder_samples, samples
from tests.report.test_html import hostile_records

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = ("--disable-gpu", "--disable-background-networking", "--disable-component-update")
REPORTS = ROOT / "reports"
NET = "#layers-Attention-56-CIFAR"
FAR = "AttentionB_1"  # the layer that differs in `made`


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium: that of $RANPARITY_CHROMIUM, of the system, or of Playwright."""
    found = os.environ.get("RANPARITY_CHROMIUM") or next(
        filter(None, map(shutil.which, NAMES)), None
    )
    root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's does not run as root
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=[*QUIET, *root])
        yield started
        started.close()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in which a layer of a net differs."""
    bad = ladder_samples.layered(2, "torch", **{FAR: 5e4})
    ladder = ladder_samples.ladder(ladder_samples.layered(1, "torch"), bad)
    return written(tmp_path_factory.mktemp("made"), samples.reports() | {LADDER: ladder})


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of records whose every string is hostile."""
    return written(tmp_path_factory.mktemp("hostile"), hostile_records())


def written(folder: Path, files: samples.Files) -> Path:
    (folder / "index.html").write_bytes(render.render(files).files["index.html"])
    return folder / "index.html"


class Opened:
    """A page, and what it has said and asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: self.said.append(dialog.message))
        page.on("request", lambda request: self.asked.append(request.url))

    def open(self, path: Path, place: str = "") -> Page:
        self.page.goto(f"{path.as_uri()}{place}")
        return self.page


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield Opened(page)
    page.close()


def rows(net: Locator) -> list[str]:
    """The names of the layers that are shown, in their order."""
    shown = net.locator("tbody tr:not([hidden]) th")
    return [name.strip() for name in shown.all_inner_texts()]


def column(net: Locator, title: str) -> list[str]:
    heads = net.locator("thead tr:last-child th").all_inner_texts()
    (place,) = [at for at, head in enumerate(heads) if head.startswith(title)]
    cells = net.locator(f"tbody tr:not([hidden]) > :nth-child({place + 1})")
    return [words.strip() for words in cells.all_inner_texts()]


@pytest.mark.parametrize("which", ["committed", "made", "hostile"])
def test_a_page_says_nothing_and_asks_for_nothing(
    which: str, opened: Opened, request: pytest.FixtureRequest
) -> None:
    path = REPORTS / "index.html" if which == "committed" else request.getfixturevalue(which)
    page = opened.open(path)
    for summary in page.locator("summary").all():
        if summary.is_visible():
            summary.click()
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith("data:")] == [path.as_uri()]


def test_a_link_into_a_folded_net_opens_it(made: Path, opened: Opened) -> None:
    page = opened.open(made)
    expect(page.locator(NET)).not_to_be_visible()
    page.locator(".matrix").get_by_role("link", name="Attention-56-CIFAR", exact=True).click()
    expect(page.locator(NET)).to_be_visible()
    expect(page.locator(NET)).to_be_in_viewport()


def test_every_link_leads_somewhere(opened: Opened) -> None:
    """Of the committed page: to a place in it, or to a file that is there."""
    page = opened.open(REPORTS / "index.html")
    links = page.locator("a[href]").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    ids = set(page.locator("[id]").evaluate_all("all => all.map(each => each.id)"))
    assert len(links) > 500
    for href in set(links):
        if href.startswith("#"):
            assert href[1:] in ids, href
        else:
            assert (REPORTS / unquote(urlsplit(href).path)).exists(), href


def test_filters_leave_what_was_asked_for(made: Path, opened: Opened) -> None:
    net = opened.open(made, NET).locator(NET)
    whole = rows(net)
    tools = net.locator(".tools")
    tools.get_by_label("Filter").fill("MASK")
    found = rows(net)
    assert 0 < len(found) < len(whole)
    assert found == [name for name in whole if name in found]
    texts = net.locator("tbody tr:not([hidden])").all_inner_texts()
    assert all("mask" in words.lower() for words in texts)
    expect(tools.locator("output")).to_have_text(f"{len(found)} of {len(whole) - 1} rows")
    tools.get_by_label("Type").select_option("Convolution")
    assert set(column(net, "Type")) == {"Convolution"}
    assert len(rows(net)) < len(found)
    tools.get_by_label("Filter").fill("")
    tools.get_by_label("Type").select_option("")
    tools.get_by_label("Verdict").select_option("differs")
    assert rows(net) == [FAR]
    tools.get_by_label("Verdict").select_option("")
    assert rows(net) == whole


def test_a_column_sorts_up_and_down_and_back(made: Path, opened: Opened) -> None:
    net = opened.open(made, NET).locator(NET)
    whole = rows(net)
    head = net.locator("thead th").filter(has_text="MACs")

    def figures() -> list[int]:
        found = column(net, "MACs")[:-1]  # without the total
        silent = found.index("")
        assert set(found[silent:]) == {""}, "what is empty comes last"
        return [int(words.replace(",", "")) for words in found[:silent]]

    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    up = figures()
    assert len(up) > 50
    assert up == sorted(up)
    assert rows(net)[-1] == "Total"
    head.get_by_role("button").press("Enter")  # by keyboard too
    assert head.get_attribute("aria-sort") == "descending"
    assert figures() == sorted(up, reverse=True)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") is None
    assert rows(net) == whole


def test_rho_is_sorted_as_numbers_with_what_differs_among_them(made: Path, opened: Opened) -> None:
    net = opened.open(made, NET).locator(NET)
    head = net.locator("thead tr:last-child th").filter(has_text="torch").nth(1)
    for _ in range(2):
        head.get_by_role("button").click()
    assert rows(net)[0] == FAR


def test_one_goes_to_the_first_difference(made: Path, opened: Opened) -> None:
    net = opened.open(made, NET).locator(NET)
    net.get_by_label("Filter").fill("nothing has this name")
    assert rows(net) == []
    net.get_by_role("button", name="Go to the first difference").click()
    there = net.locator("tr:focus")
    expect(there.locator("th")).to_have_text(FAR)
    expect(there).to_be_in_viewport()
    other = opened.open(made, "#layers-Attention-56").locator("#layers-Attention-56")
    expect(other.get_by_role("button", name="No difference")).to_be_disabled()


def test_hostile_names_are_shown_and_not_run(hostile: Path, opened: Opened) -> None:
    page = opened.open(hostile)
    page.wait_for_timeout(200)
    assert opened.said == []
    assert "<script>" in page.locator("body").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_of_accessibility_is_broken(scheme: str, opened: Opened) -> None:
    """Of WCAG 2.1, levels A and AA, as axe-core knows them: contrast, names, headings, tables."""
    opened.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page = opened.open(REPORTS / "index.html", NET)
    found = Axe().run(
        page,
        context={"exclude": [["#layers details:not([open])"]]},
        options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]},
    )
    assert found.response["violations"] == [], found.generate_report()


def test_a_narrow_screen_scrolls_no_page_sideways(opened: Opened) -> None:
    opened.page.set_viewport_size({"width": 360, "height": 740})
    page = opened.open(REPORTS / "index.html", NET)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    matrix = page.locator(".matrix").first
    assert matrix.evaluate("it => it.scrollWidth > it.clientWidth"), "the table does in its place"


def test_dark_is_dark(opened: Opened) -> None:
    page = opened.open(REPORTS / "index.html")
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        grounds.append(sum(map(int, re.findall(r"\d+", colour)[:3])))
    assert grounds[0] > 700
    assert grounds[1] < 120


def test_print_leaves_the_tools_out_and_no_table_is_cut(made: Path, opened: Opened) -> None:
    page = opened.open(made, NET)
    page.emulate_media(media="print")
    expect(page.locator(f"{NET} .tools")).not_to_be_visible()
    expect(page.locator("nav")).not_to_be_visible()
    cut = page.locator(".scroll").evaluate_all(
        "all => all.filter(it => getComputedStyle(it).overflowY !== 'visible').length"
    )
    assert cut == 0
    assert page.pdf().startswith(b"%PDF")
