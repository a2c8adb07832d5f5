from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ranparity.report import markdown
from ranparity.report.document import (
    Attachment,
    Bullets,
    Document,
    Figure,
    Figures,
    Folded,
    Heading,
    Listing,
    Paragraph,
    Section,
    Span,
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

PARSER = MarkdownIt("commonmark").enable("table")


def tokens(source: str) -> list[Token]:
    """What a Markdown reader makes of the text, within blocks."""
    return [token for block in PARSER.parse(source) for token in block.children or ()]


def read(source: str) -> str:
    return "".join(token.content for token in tokens(source))


def kinds(source: str) -> set[str]:
    return {token.type for token in tokens(source)} | {t.type for t in PARSER.parse(source)}


def page(*blocks: Heading | Paragraph | Table | Bullets | Listing | Folded | Attachment) -> str:
    return markdown.write(Document("A title", blocks, (Section("s", "A section", blocks),)))


@given(st.text(max_size=60) | st.text(st.sampled_from("\\`*_[]<>|~&#!@:/.()w$-+1. ")))
def test_any_text_is_shown_as_it_is(words: str) -> None:
    words = clean(words)
    source = f"x {markdown.escape(words)} x"
    assert read(source) == f"x {words} x"
    assert kinds(source) <= {"text", "text_special", "inline", "paragraph_open", "paragraph_close"}


@given(st.text(min_size=1, max_size=60) | st.text(st.sampled_from("`|\\ ab"), min_size=1))
def test_any_code_in_a_table_is_shown_as_it_is(words: str) -> None:
    words = f"x{clean(words)}"
    source = markdown.table(Table(columns("A"), ((cell(code(words)),),)))
    found = [token.content for token in tokens(source) if token.type == "code_inline"]
    assert [content.rstrip() for content in found] == [words.rstrip()]
    assert len([token for token in PARSER.parse(source) if token.type == "td_open"]) == 1


def test_a_hostile_text_makes_no_markup_anywhere() -> None:
    hostile = clean(samples.HOSTILE)
    every = (
        Paragraph(text(hostile, strong(hostile), code(hostile))),
        Bullets((text(hostile),)),
        Table(columns(hostile, "b"), ((cell(hostile), cell(code(hostile))),)),
    )
    source = page(*every)
    assert kinds(source).isdisjoint({"html_inline", "html_block", "link_open", "image"})
    assert read(source).count(hostile) == 12


@pytest.mark.parametrize(
    "start", ["# ", "- ", "+ ", "> ", "1. ", "12) ", "=", "    ", "---", "<div "]
)
def test_a_text_cannot_start_a_heading_a_list_or_a_quote(start: str) -> None:
    plain = kinds(page(Paragraph(text("x")), Bullets((text("x"),))))
    words = f"{start}x"
    source = page(Paragraph(text(words)), Bullets((text(words),)))
    assert kinds(source) - {"text_special"} == plain
    assert read(source).count(words.strip()) == 4


def test_a_table_has_its_columns_aligned_and_its_rows_on_lines() -> None:
    table = Table(columns("Net", "MACs", right=(1,)), ((cell("A"), cell("1,000")),))
    assert markdown.table(table) == "| Net | MACs |\n| --- | ---: |\n| A | 1,000 |"


def test_marks_and_links_are_written() -> None:
    words = text("a ", strong("b"), " ", code("c"), " ", link("d", "data/e f.json"))
    assert markdown.text(words) == "a **b** `c` [d](data/e%20f.json)"
    assert markdown.text((Span("x", "y", code=True),)) == "[`x`](y)"


def test_links_of_an_attachment_lead_up_to_the_reports_folder() -> None:
    attachment = Attachment(
        "A net", "layers/A net.md", text("note"), (Paragraph(text(link("p", "../p.txt"))),)
    )
    assert markdown.write_attachment(attachment) == "# A net\n\n[p](../../p.txt)\n"
    assert "- [A net](layers/A%20net.md): note" in page(attachment)


def test_a_link_to_a_section_leads_to_what_github_calls_its_heading() -> None:
    opening = (Paragraph(text(link("there", "#s"))),)
    title = "A section: what's (in) it? 1.5"
    source = markdown.write(Document("T", opening, (Section("s", title, ()),)))
    assert "[there](#a-section-whats-in-it-15)" in source


def test_a_figure_is_its_picture_which_leads_to_its_drawing() -> None:
    figure = Figure("figures/a b", 'a "curve" <x>', "", "", b"")
    assert (
        markdown.write(Document("T", (Figures((figure, figure)),), ())).count(
            '<a href="figures/a%20b.svg"><img src="figures/a%20b.png" width="400" '
            'alt="a &quot;curve&quot; &lt;x&gt;"></a>\n'
        )
        == 2
    )


def test_what_is_folded_is_between_its_tags() -> None:
    source = page(Folded(text("More & <more>"), (Bullets((text("item"),)),)))
    assert "<details><summary>More &amp; &lt;more&gt;</summary>\n\n- item\n\n</details>" in source


@given(st.lists(st.text(max_size=20) | st.text(st.sampled_from("`~ |<>ab")), min_size=1))
@example(["```", "", "after", "`````", "</details>"])
def test_any_listing_is_shown_as_it_is_even_where_it_is_folded(lines: list[str]) -> None:
    lines = [clean(line) for line in lines]
    source = page(Folded(text("More"), (Listing(tuple(lines), "python"), Paragraph(text("after")))))
    found = [token for token in PARSER.parse(source) if token.type == "fence"]
    assert [(token.info, token.content) for token in found] == [
        ("python", "\n".join(lines) + "\n")
    ] * 2
    assert read(source).count("after") == 2


def test_a_failure_or_warning_stands_out() -> None:
    assert "\n> bad\n" in page(Paragraph(text("bad"), "fail"))
    assert "\n> odd\n" in page(Paragraph(text("odd"), "warning"))
    assert "\ngood\n" in page(Paragraph(text("good"), "pass"))


def test_a_heading_is_below_that_of_its_section() -> None:
    assert "\n## A section\n\n### A \\* of \\[it\\]\n" in page(Heading("A * of [it]"))
