from __future__ import annotations

from ranparity.report import curves, terminal
from ranparity.report.charts import Chart, Curve
from ranparity.report.document import (
    Bullets,
    Document,
    Folded,
    Heading,
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


def test_words_and_tables_are_written_and_drawings_are_not() -> None:
    table = Table(columns("name", "number", right=(1,)), ((cell(code("a")), cell("7")),))
    drawing = curves.figure("f", Chart("f", "step", (Curve("c", [1], [1.0]),)))
    document = Document(
        "Title",
        (Paragraph(text(strong("bold"), " and ", link("a link", "../there"))),),
        (
            Section("s", "Section", (Heading("Heading"), Bullets((text("one"), text("two"))))),
            Section("t", "Table", (table, drawing, Folded(text("more"), (Paragraph(text("in")),)))),
        ),
    )
    assert terminal.write(document) == (
        "Title\n\nbold and a link\n\n"
        "Section\n=======\n\nHeading\n\n- one\n- two\n\n"
        "Table\n=====\n\nname      number\n------  --------\na              7\n\nmore\n\nin"
    )


def test_long_paragraphs_are_folded_and_numbers_stay_as_they_are_written() -> None:
    words = " ".join(["word"] * 40)
    told = terminal.write(Document("T", (Paragraph(text(words)),)))
    assert max(map(len, told.splitlines())) <= 100
    assert told.split()[1:] == words.split()
    table = Table(columns("", ""), ((cell("1e-05"), cell("007")),))
    assert terminal.write(Document("T", (table,))).split()[-2:] == ["1e-05", "007"]
