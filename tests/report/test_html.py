from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt

from ranparity.models import zoo
from ranparity.parity.findings import digest
from ranparity.report import html, records, render
from ranparity.report.document import (
    Attachment,
    Bullets,
    Document,
    Folded,
    Heading,
    Listing,
    Paragraph,
    Section,
    Table,
    cell,
    code,
    columns,
    link,
    strong,
    text,
)
from ranparity.report.reading import clean
from tests.report import samples
from tests.report.finding_samples import FINDINGS, finding, silent

VOID = {"meta", "link", "br", "img", "use", "path", "rect"}


class Reader(HTMLParser):
    """What a browser would find: tags with their attributes, the text, and whether tags match."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, name: str) -> list[str]:
        return [found for _, attributes in self.tags if (found := attributes.get(name))]


@pytest.fixture(scope="module")
def page() -> str:
    return render.render(samples.reports()).files["index.html"].decode()


def test_tags_are_closed_in_their_order(page: str) -> None:
    assert Reader(page).open == []


def test_the_page_needs_nothing_else(page: str) -> None:
    reader = Reader(page)
    assert {tag for tag, _ in reader.tags}.isdisjoint({"iframe", "object", "img", "base"})
    assert reader.attributes("src") == []
    assert not re.search(r"url\((?!#)|@import", page)
    outside = [href for href in reader.attributes("href") if re.match(r"[a-z]+:|//|/", href)]
    assert outside == ["data:,"]  # so that a browser asks for no favicon


def test_one_script_is_in_the_page_and_browsers_are_told_to_run_no_other(page: str) -> None:
    """The policy names it by its digest, and forbids every request."""
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["img-src"] == "data:"


def test_links_within_the_page_lead_somewhere(page: str) -> None:
    reader = Reader(page)
    ids = Counter(reader.attributes("id"))
    assert all(count == 1 for count in ids.values())
    places = {*reader.attributes("href"), *reader.attributes("xlink:href")}
    assert {place[1:] for place in places if place.startswith("#")} <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_links_to_records_are_relative_and_to_what_there_is(page: str) -> None:
    there = samples.reports()
    links = {href for href in Reader(page).attributes("href") if href.startswith("data/")}
    assert links <= set(there)
    assert f"data/check-{samples.BACKENDS[0]}.json" in links


def test_every_figure_is_described_for_who_cannot_see_it(page: str) -> None:
    figures = [attributes for tag, attributes in Reader(page).tags if tag == "figure"]
    assert len(figures) == 3
    assert all(figure["role"] == "img" and figure["aria-label"] for figure in figures)


def test_tables_have_headers_and_verdicts_words_beside_their_colours(page: str) -> None:
    for match in re.finditer(r'<td class="([^"]*)">(.*?)</td>', page):
        if "pass" in match[1].split():
            assert "✓" in match[2]
        if "fail" in match[1].split():
            assert "✗" in match[2]
    assert page.count('<th scope="col"') > 30
    assert page.count('<th scope="row"') > 2000  # all layers of all nets


def test_light_and_dark_and_a_narrow_screen_are_provided_for(page: str) -> None:
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    names = set(re.findall(r"var\(--([a-z0-9-]+)\)", page))
    light, dark = re.findall(r":root \{([^}]*)\}", page)
    assert names <= set(re.findall(r"--([a-z0-9-]+):", light))
    colours = set(re.findall(r"--([a-z0-9-]+): #", light))
    assert colours == set(re.findall(r"--([a-z0-9-]+): #", dark))


TONES = ("pass", "fail", "warning")


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of #rrggbb."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_their_ground(page: str, scheme: int) -> None:
    colours = dict(
        re.findall(r"--([a-z0-9-]+): (#\w{6})", re.findall(r":root \{([^}]*)", page)[scheme])
    )
    pairs = [("ink", "paper"), ("ink", "ground"), ("faint", "paper"), ("faint", "ground")]
    pairs += [("link", "paper"), ("link", "ground"), ("faint", "absent-ground")]
    pairs += [(tone, f"{tone}-ground") for tone in TONES]
    pairs += [(name, f"{tone}-ground") for name in ("ink", "link") for tone in TONES]
    assert min(contrast(colours[a], colours[b]) for a, b in pairs) >= 4.5
    lines = [colours[f"line-{place}"] for place in (1, 2, 3, 4)]
    assert min(contrast(line, colours["ground"]) for line in lines) >= 3


def test_a_hostile_text_is_shown_and_not_run() -> None:
    hostile = clean(samples.HOSTILE)
    blocks = (
        Paragraph(text(hostile, strong(hostile), code(hostile), link(hostile, hostile)), "fail"),
        Heading(hostile),
        Bullets((text(hostile),)),
        Table(columns(hostile), ((cell(hostile),),)),
        Folded(text(hostile), (Paragraph(text(hostile)), Listing((hostile, hostile)))),
        Attachment(hostile, "a.md", text(hostile), ()),
    )
    reader = Reader(html.write(Document(hostile, blocks, (Section("s", hostile, ()),))))
    assert [tag for tag, _ in reader.tags].count("script") == 1, "that of the page"
    assert reader.text.count(hostile) == 4 + 1 + 1 + 2 + 2 + 2 + 2 + 2 + 2
    assert all(":" not in href for href in reader.attributes("href") if href != "data:,")


def test_a_listing_keeps_its_lines_and_spaces() -> None:
    listing = Listing(("def f():", "    return '<b>'", "", "f()"), "python")
    page = html.write(Document("T", (listing,), ()))
    assert "<code>def f():\n    return &#39;&lt;b&gt;&#39;\n\nf()</code></pre>" in page


def test_hostile_records_are_shown_and_not_run() -> None:
    files = hostile_records()
    rendered = render.render(files)
    reader = Reader(rendered.files["index.html"].decode())
    assert [tag for tag, _ in reader.tags].count("script") == 1, "that of the page"
    assert clean(samples.HOSTILE) in reader.text
    assert not any(name.startswith("on") for _, found in reader.tags for name in found)
    assert all(":" not in href for href in reader.attributes("href") if href != "data:,")


def test_hostile_records_make_no_markup_in_markdown() -> None:
    readme = render.render(hostile_records()).files["README.md"].decode()
    parsed = MarkdownIt("commonmark").enable("table").parse(readme)
    inline = [token for block in parsed for token in block.children or ()]
    markup = [token.content for token in (*parsed, *inline) if token.type.startswith("html")]
    reader = Reader("".join(markup))
    assert {tag for tag, _ in reader.tags} == {"details", "summary", "a", "img"}
    assert {name for _, found in reader.tags for name in found} == {"href", "src", "width", "alt"}
    assert all(re.fullmatch(r"figures/[\w.-]+", href) for href in reader.attributes("href"))
    links = {str(token.attrGet("href")) for token in inline if token.type == "link_open"}
    folders = "data|layers|figures|findings|schemas"
    ours = rf"({folders})/.*|data|README\.md|index\.html|\.\./prototxt|#[\w-]+"
    assert all(re.fullmatch(ours, href) for href in links)
    assert clean(samples.HOSTILE) in "".join(token.content for token in inline)


def hostile_records() -> samples.Files:
    """Records whose every string of free choice is hostile."""
    bad = samples.HOSTILE
    path = "data/check-torch.json"
    result = samples.net(zoo.entry("attention56"))
    row = dict.fromkeys(("size", "layer", "what", "keras", "prototxt"), bad)
    result |= {"model": bad, "title": bad, "origin": bad, "errata": [bad], "adaptations": [bad]}
    result |= {"differences": [row], "verdict": "fail", "sizes": [bad]}
    result["paper"] = [result["paper"][0] | {"what": bad, "where": bad, "paper": bad}]
    environment = {"framework": bad, bad: bad, "python": bad, "switches": {bad: bad}}
    files = samples.spoilt(samples.reports(), path, results=[result], environment=environment)
    proof = {"title": bad, "counts": {bad: [2, 1]}, "missed": [bad]}
    files = samples.spoilt(files, "data/alterations.json", prototxt=[proof])
    files |= hostile_run(files, environment)
    trial = {"kills": {bad: 9}, "options": [bad], "environment": environment}
    trial |= {"differences": [bad], "verdict": "differs"}
    files = samples.spoilt(files, "data/endurance-torch.json", **trial)
    shown = {"title": bad, "description": [bad], "versions": {bad: bad}, "environment": environment}
    rows = [finding("a", **shown), silent("b", error=bad), silent("c", missing=bad)]
    script = [bad, "```", "````"]
    own = {"script": script, "digest": digest(script)}
    rows.append(finding("d", **own, printed=[bad, "```", "</pre>", "still there"]))
    files |= {FINDINGS: samples.encoded({"findings": rows})}
    assert records.evidence(files).findings.error == ""
    failed = samples.encoded({"backend": bad, "error": bad, "model": bad, "data": {"name": bad}})
    name = bad.replace("/", "")
    return files | {f"data/runs/{name}/run.json": failed}


def hostile_run(files: samples.Files, environment: dict[str, Any]) -> samples.Files:
    """A run that is read, and whose strings are hostile."""
    bad, path = samples.HOSTILE, "data/runs/report-jax/run.json"
    parts = [{"first_step": step, "backend": bad, "environment": environment} for step in (1, 9)]
    changes = {"backend": bad, "model": bad, "precision": bad, "environment": environment}
    changes |= {"data": samples.DATA | {"name": bad, "source": bad, "partial": True}}
    changes |= {"recipe": {"name": bad, "stages": [{"name": "train"}]}, "parts": parts}
    files = samples.spoilt(files, path, **changes)
    (run,) = [run for run in records.evidence(files).finished if run.path == path]
    assert run.task.precision == clean(bad)
    return files
