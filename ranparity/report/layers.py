"""A table of each net's layers, from its prototxt, with what the ladder found of each."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping

from ranparity.caffe import graph as graphs
from ranparity.caffe import prototxt, published
from ranparity.caffe.description import Described, Description, describe
from ranparity.caffe.prototxt import Shape
from ranparity.models import zoo
from ranparity.report import layer_rho, network
from ranparity.report.document import (
    Attachment,
    Block,
    Cell,
    Column,
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
from ranparity.report.layer_rho import LayerRho
from ranparity.report.records import Evidence
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


def section(evidence: Evidence) -> Section:
    """One folded table, or file, per net of the zoo."""
    nets = zoo.ENTRIES.values()
    tables = (attachment(entry, layer_rho.of(evidence, entry.name)) for entry in nets)
    return Section("layers", "Layer by layer", (Paragraph(INTRODUCTION), *tables))


INTRODUCTION = text(
    "Every layer of every net, computed from its prototxt alone: names and types as in Caffe, "
    "shapes for a batch of one, trainable parameters, and multiply-accumulates of convolutions "
    "and inner products. What is usual goes without saying: strides of 1, no padding, one group, "
    "no bias, sums without weights, Caffe's ceil rule in pools, and BN's eps of 1e-05 and momentum "
    "of 0.9. These are the tables that the checks hold the Keras models against. Where the ladder "
    "has been run at a net's own size, the largest rho of each layer's tensors stands beside it: "
    "its blobs at level 1, and at level 2 its blobs in training, its weights' gradients and its "
    "batch statistics. An HTML page holds the published nets and those, and links to the others, "
    "which are files beside it."
)
CHANGED = text(
    "The ladder's record is of other layers than this prototxt has now, and so is not shown: run "
    "the ladder again."
)


def path(entry: zoo.Entry) -> str:
    """The file of a net's table, in the reports folder."""
    return f"layers/{entry.title}.md"


def attachment(entry: zoo.Entry, found: LayerRho | None = None) -> Attachment:
    """A net's table.

    Args:
        entry: The net.
        found: What the ladder found of its layers, if it did.

    Raises:
        InputError: Its prototxt is missing or damaged.
    """
    return _attachment(entry, entry.prototxt.read_bytes(), found)


@functools.lru_cache(maxsize=64)  # a zoo's tables take seconds, and a session renders them often
def _attachment(entry: zoo.Entry, content: bytes, found: LayerRho | None) -> Attachment:
    """The table of a prototxt, whose content is here so that a changed one is read again."""
    del content
    net = prototxt.read(entry.prototxt)
    description = describe(graphs.build(net))
    blocks: list[Block] = [Paragraph(_origin(entry, published.identify(net)))]
    names = tuple(layer.name for layer in description.layers)
    if found and found.layers != names:
        blocks.append(Paragraph(CHANGED, "warning"))
        found = None
    if found:
        words = text(f"The ladder, {found.size}, float32: ", link(found.path, found.path), ".")
        blocks += [Paragraph(words), network.draw(entry.title, description, found)]
    return Attachment(
        entry.title,
        path(entry),
        text(f"{plural(description.totals.layers, 'layer')}, {entry.origin}"),
        (*blocks, table(description, found)),
        within=entry.origin == "original" or found is not None,
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


def table(description: Description, found: LayerRho | None = None) -> Table:
    """A row a layer, and the totals."""
    rows = [_input_row(given.name, given.shape) for given in description.inputs]
    rows += map(_row, description.layers)
    rows.append(_totals(description))
    titles = ("Layer", "Type", "Output (NCHW)", "in Keras (NHWC)", "Parameters", "MACs")
    first, last = list(columns(*titles, right=(4, 5))), columns("Attributes", "Inputs")
    first[1] = dataclasses.replace(first[1], choice=True)
    known = list(_rho_cells(description, found)) if found else [()] * len(rows)
    middle = _rho_columns(found) if found else []
    whole = ((*row[:6], *rhos, *row[6:]) for row, rhos in zip(rows, known, strict=True))
    return Table((*first, *middle, *last), tuple(whole), total=True, searched=True)


def _rho_columns(found: LayerRho) -> list[Column]:
    titles = {1: "rho, level 1", 2: "rho, level 2"}
    verdict = Column(text("Verdict"))
    rhos = [Column(text(each.backend), "right", titles[each.level]) for each in found.measured]
    return [verdict, *rhos]


def _rho_cells(description: Description, found: LayerRho) -> Iterator[tuple[Cell, ...]]:
    """A verdict, and rho by level and backend: of the inputs, the layers, the totals."""
    nothing = (cell(), *(cell() for _ in found.measured))
    yield from (nothing for _ in description.inputs)
    for rhos in zip(*(each.rhos for each in found.measured), strict=True):
        yield (_verdict(rhos, found.limit), *(_rho(rho, found.limit) for rho in rhos))
    yield nothing


def _verdict(rhos: tuple[float | None, ...], limit: float) -> Cell:
    known = [rho for rho in rhos if rho is not None]
    if not known:
        return cell("not compared", tone="absent")
    if max(known) > limit:
        return cell("✗ differs", tone="fail")
    return cell("✓ rounding" if max(known) else "✓ identical", tone="pass")


def _rho(rho: float | None, limit: float) -> Cell:
    if rho is None:
        return cell()
    return cell(f"✗ {rho:.3g}", tone="fail") if rho > limit else cell(f"{rho:.3g}")


def _input_row(name: str, shape: Shape) -> tuple[Cell, ...]:
    return cell(code(name)), cell("(input)"), *_shapes([shape]), *(cell() for _ in range(4))


def _row(layer: Described) -> tuple[Cell, ...]:
    facts = layer.facts
    return (
        cell(code(layer.name)),
        cell(layer.type),
        *_shapes(facts.tops),
        cell(count(facts.parameter_count) if facts.parameters else ""),
        cell(count(facts.macs) if facts.macs else ""),
        cell(", ".join(attributes(facts.attributes))),
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
    return cell("Total"), cell(what), cell(), cell(), *sums, cell(), cell()
