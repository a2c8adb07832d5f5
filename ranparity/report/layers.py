"""A table of each net's layers, from its prototxt alone."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping

from ranparity.caffe import graph as graphs
from ranparity.caffe import prototxt, published
from ranparity.caffe.description import Described, Description, describe
from ranparity.caffe.prototxt import Shape
from ranparity.models import zoo
from ranparity.report.document import (
    Attachment,
    Cell,
    Paragraph,
    Section,
    Span,
    Table,
    Text,
    cell,
    code,
    columns,
    joined,
    link,
    text,
)
from ranparity.report.words import count, plural

# Values that say nothing special, or that the output shape shows already.
USUAL: Mapping[str, object] = {
    "stride": "1x1",
    "dilation": "1x1",
    "group": 1,
    "bias_term": False,
    "pad": "0x0",
    "negative_slope": 0.0,
    "round_mode": "CEIL",
    "transpose": False,
    "coeff": "1 1",
    "crop": "0 0",
    "eps": 1e-05,
    "momentum": 0.9,
}
SHOWN_BY_SHAPE = ("num_output",)


def section() -> Section:
    """One folded table, or file, per net of the zoo."""
    tables = (attachment(entry) for entry in zoo.ENTRIES.values())
    return Section("layers", "Layer tables", (Paragraph(INTRODUCTION), *tables))


INTRODUCTION = text(
    "Every layer of every net, computed from its prototxt alone: names and types as in Caffe, "
    "shapes for a batch of one, trainable parameters, and multiply-accumulates of convolutions "
    "and inner products. What is usual goes without saying: strides of 1, no padding, one group, "
    "no bias, sums without weights, Caffe's ceil rule in pools, and BN's eps of 1e-05 and momentum "
    "of 0.9. These are the tables that the checks hold the Keras models against. An HTML page "
    "holds those of the published nets and links to the others, which are files beside it."
)


def attachment(entry: zoo.Entry) -> Attachment:
    """A net's table.

    Raises:
        InputError: Its prototxt is missing or damaged.
    """
    return _attachment(entry, entry.prototxt.read_bytes())


@functools.lru_cache(maxsize=64)  # a zoo's tables take seconds, and a session renders them often
def _attachment(entry: zoo.Entry, content: bytes) -> Attachment:
    """The table of a prototxt, whose content is here so that a changed one is read again."""
    del content
    net = prototxt.read(entry.prototxt)
    description = describe(graphs.build(net))
    totals = description.totals
    note = f"{plural(totals.layers, 'layer')}, {entry.origin}"
    return Attachment(
        entry.title,
        f"layers/{entry.title}.md",
        text(note),
        (Paragraph(_origin(entry, published.identify(net))), table(description)),
        within=entry.origin == "original",
    )


def _origin(entry: zoo.Entry, release: published.Published | None) -> Text:
    """Which file the table is of, and what is known of it."""
    name = f"prototxt/{entry.prototxt.name}"
    parts = [Span("Of "), link(name, f"../{name}"), Span(f", which is {entry.origin}")]
    if release:
        parts.append(Span(f": it says exactly what the authors' {release.file} does"))
        if release.errata:
            repaired = joined([code(erratum) for erratum in release.errata])
            parts += [Span(", but for the repaired erratum "), *repaired]
    elif entry.origin == "derived":
        parts.append(Span(": the authors published no prototxt of this net"))
    return (*parts, Span("."))


def table(description: Description) -> Table:
    """A row a layer, and the totals."""
    rows = [_input_row(given.name, given.shape) for given in description.inputs]
    rows += map(_row, description.layers)
    rows.append(_totals(description))
    titles = ("Layer", "Type", "Attributes", "Output (NCHW)", "in Keras (NHWC)")
    ends = ("Parameters", "MACs", "Inputs")
    return Table(columns(*titles, *ends, right=(5, 6)), tuple(rows), total=True)


def _input_row(name: str, shape: Shape) -> tuple[Cell, ...]:
    return cell(code(name)), cell("(input)"), cell(), *_shapes([shape]), cell(), cell(), cell()


def _row(layer: Described) -> tuple[Cell, ...]:
    facts = layer.facts
    return (
        cell(code(layer.name)),
        cell(layer.type),
        cell(", ".join(attributes(facts.attributes))),
        *_shapes(facts.tops),
        cell(count(facts.parameter_count) if facts.parameters else ""),
        cell(count(facts.macs) if facts.macs else ""),
        Cell(joined([code(name) for name in layer.inputs])),
    )


def attributes(values: Mapping[str, object]) -> Iterator[str]:
    """What is special about a layer: `kernel 7x7`, `stride 2x2`, `pad 3x3`."""
    for name, value in values.items():
        if name not in SHOWN_BY_SHAPE and USUAL.get(name) != value:
            words = name.removesuffix("_term").replace("_", " ")
            yield words if value is True else f"{words} {value}"


def _shapes(shapes: Iterable[Shape]) -> tuple[Cell, Cell]:
    """Output shapes as Caffe has them, and as Keras has them in channels_last."""
    shapes = tuple(shapes)
    here = (_by(shape) for shape in shapes)
    there = (
        _by((shape[0], *shape[2:], shape[1])) if len(shape) > 2 else _by(shape) for shape in shapes
    )
    return cell(", ".join(here)), cell(", ".join(there))


def _by(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _totals(description: Description) -> tuple[Cell, ...]:
    totals = description.totals
    what = f"{plural(totals.layers, 'layer')}, {plural(totals.blobs, 'blob')}"
    sums = cell(count(totals.trainable_parameters)), cell(count(totals.macs))
    return cell("Total"), cell(what), cell(), cell(), cell(), *sums, cell()
