"""The report on level 0: nets against their prototxts, and the proof that this can fail."""

from __future__ import annotations

from collections.abc import Iterator

from ranparity.caffe import published
from ranparity.claims.figures import printed as printed_figure
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.report.check_record import CheckRecord, NetResult
from ranparity.report.document import (
    Block,
    Bullets,
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
    strong,
    text,
)
from ranparity.report.records import Evidence
from ranparity.report.words import (
    FAIL,
    FAILED,
    NOT_RUN,
    NOTHING,
    PASS,
    STALE,
    count,
    plural,
    seconds,
    unbroken,
)

SHOWN = 10  # differences printed for each net and backend; the record has all
COUNTS = {
    "layers": "Layers",
    "blobs": "Blobs",
    "trainable_parameters": "Trainable parameters",
    "parameters_with_statistics": "with BN statistics",
    "macs": "MACs, one image",
}


def section(evidence: Evidence) -> Section:
    """What was compared, the verdicts, the differences, the counts and the paper's figures."""
    notes = Bullets((*ORIGINS, *_notes(evidence)))
    blocks: list[Block] = [Paragraph(INTRODUCTION), verdicts(evidence), notes]
    blocks += [*_differences(evidence), *_counts(evidence), *_paper(evidence)]
    return Section("structure", "Structure: Keras models against Caffe descriptions", tuple(blocks))


INTRODUCTION = text(
    "Level 0 of the evidence. Each model is built on the backend and every tensor's shape is "
    "traced there. Those shapes, the parameters, the counts, the multiply-accumulates (MACs), and "
    "what shapes cannot show (the place of a stride, padding, the ceil rule, groups, constants, "
    "the order of inputs) are held against the parsed prototxt, at the net's own input size and "
    "at an odd one, where Caffe's ceil rule and other paddings part. Each value compared is a "
    "fact; a net passes when none differs."
)
ORIGINS = (
    text(
        strong("original"),
        ": the authors published a prototxt, and the file here says exactly what theirs does; a "
        "recorded digest of its canonical form shows it.",
    ),
    text(
        strong("derived"),
        ": none was published; the file is this project's reading of the paper.",
    ),
)


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says, one by one, what of level 0 failed or is missing."""
    for backend in evidence.spoken_of:
        yield from _problems_on(backend, evidence.checks.get(backend))
    if not evidence.checks:
        yield text("Structure: not run on any backend.")


def _problems_on(backend: str, record: CheckRecord | None) -> Iterator[Text]:
    if record is None:
        yield text("Structure on ", code(backend), ": not run.")
        return
    if record.error:
        source = _source(record)
        yield text("Structure on ", code(backend), ": FAILED: ", code(record.error), *source)
        return
    yield from _absences(backend, record)
    for result in record.nets.values():
        if result.differences:
            found = (
                f": {count(len(result.differences))} of {plural(result.compared, 'fact')} differ"
            )
            what = text("Structure of ", result.title, " on ", code(backend))
            yield text(*what, found, *_source(record))


def _source(record: CheckRecord) -> Text:
    return text(" (", link(record.path, record.path), ")")


def _absences(backend: str, record: CheckRecord) -> Iterator[Text]:
    """Says of which nets a record has no evidence, and why."""
    source = _source(record)
    for name, fault in record.faults.items():
        what = text("Structure of ", code(name), " on ", code(backend))
        yield text(*what, ": FAILED: ", code(fault), *source)
    for name, why in record.stale.items():
        what = text("Structure of ", code(name), " on ", code(backend))
        yield text(*what, f": stale: {why}: run ", code("nox -s report"), " again", *source)
    for name in zoo.ENTRIES:
        if name not in _spoken_of(record):
            yield text("Structure of ", code(name), " on ", code(backend), ": not run", *source)


def _spoken_of(record: CheckRecord) -> list[str]:
    """The nets that a record has a result of, readable or not, stale or not."""
    return [*record.nets, *record.faults, *record.stale]


def _models(evidence: Evidence) -> list[str]:
    """The nets of the zoo, then any others that a record speaks of."""
    found = [name for record in evidence.checks.values() for name in _spoken_of(record)]
    return list(dict.fromkeys([*zoo.ENTRIES, *found]))


def _results(evidence: Evidence, model: str) -> dict[str, NetResult]:
    """A net's results, by backend."""
    return {
        name: evidence.checks[name].nets[model]
        for name in evidence.backends
        if name in evidence.checks and model in evidence.checks[name].nets
    }


def _title(evidence: Evidence, model: str) -> str:
    if model in zoo.ENTRIES:
        return zoo.ENTRIES[model].title
    return next((result.title for result in _results(evidence, model).values()), model)


def verdicts(evidence: Evidence) -> Table:
    """A row a net, a column a backend; the last row sums up."""
    rows = [_verdict_row(evidence, model) for model in _models(evidence)]
    rows.append(
        (
            cell("All nets"),
            *(_summary_cell(evidence.checks.get(name)) for name in evidence.backends),
            cell(),
        )
    )
    return Table(columns("Net", *map(code, evidence.backends), "Origin"), tuple(rows), total=True)


def _verdict_row(evidence: Evidence, model: str) -> tuple[Cell, ...]:
    results = _results(evidence, model)
    known = zoo.ENTRIES.get(model)
    origin = known.origin if known else next((r.origin for r in results.values()), "")
    note = ", repaired" if any(result.errata for result in results.values()) else ""
    return (
        cell(_title(evidence, model)),
        *(_verdict(evidence.checks.get(name), model) for name in evidence.backends),
        cell(f"{origin}{note}"),
    )


def _verdict(record: CheckRecord | None, model: str) -> Cell:
    if record is None or not (record.error or model in _spoken_of(record)):
        return cell(NOT_RUN, tone="absent")
    if model in record.stale:
        return cell(STALE, ": ", link(record.stale[model], record.path), tone="warning")
    if model not in record.nets:
        return cell(FAILED, " ", link("why", record.path), tone="fail")
    result = record.nets[model]
    compared = plural(result.compared, "fact")
    if not result.differences:
        return cell(PASS, " ", link(f"{compared}, 0 differ", record.path), tone="pass")
    differ = f"{count(len(result.differences))} of {compared} differ"
    return cell(FAIL, " ", link(differ, record.path), tone="fail")


def _summary_cell(record: CheckRecord | None) -> Cell:
    if record is None or record.error:
        return cell(NOTHING)
    nets = len(_spoken_of(record))
    passed = sum(not result.differences for result in record.nets.values())
    compared = sum(result.compared for result in record.nets.values())
    took = f" in {seconds(record.seconds)}" if record.seconds is not None else ""
    return cell(f"{passed} of {nets} pass, {plural(compared, 'fact')}{took}")


def _notes(evidence: Evidence) -> list[Text]:
    """Why there is no evidence; then errata and adaptations, each once."""
    notes: dict[Text, None] = {}
    for backend, record in evidence.checks.items():
        reasons = [record.error] if record.error else record.faults.values()
        for reason in reasons:
            notes[text(FAILED, " on ", code(backend), ": ", code(reason))] = None
    for record in evidence.checks.values():
        for result in record.nets.values():
            for name in result.errata:
                notes[text(result.title, ", erratum ", code(name), _repair(name))] = None
            for line in result.adaptations:
                notes[text(result.title, ", adapted at the odd size: ", line, ".")] = None
    return list(notes)


def _repair(name: str) -> str:
    try:
        known = published.erratum(name)
    except InputError:  # of a newer version of this project
        return "."
    return f": as published {known.reason}; here it reads {known.repaired}."


def _differences(evidence: Evidence) -> Iterator[Block]:
    rows = list(_difference_rows(evidence))
    if rows:
        yield Paragraph(
            text("What differs, in graph order, at most ", str(SHOWN), " a net and backend:"),
            "fail",
        )
        titles = ("Net", "Backend", "Input", "Layer", "What", "Keras", "Prototxt")
        yield Table(columns(*titles), tuple(rows))


def _difference_rows(evidence: Evidence) -> Iterator[tuple[Cell, ...]]:
    for model in _models(evidence):
        for backend, result in _results(evidence, model).items():
            for row in result.differences[:SHOWN]:
                yield (
                    cell(link(result.title, evidence.checks[backend].path)),
                    cell(code(backend)),
                    cell(row.size),
                    cell(code(row.layer)),
                    cell(row.what),
                    cell(code(row.keras)),
                    cell(code(row.prototxt)),
                )


def _counts(evidence: Evidence) -> Iterator[Block]:
    rows = [
        (_sourced(evidence, model), *(_agreed(results, key) for key in COUNTS))
        for model in _models(evidence)
        if (results := _results(evidence, model))
    ]
    if rows:
        yield Paragraph(
            text(
                "Counts of the live Keras models at their own input size, the same on every "
                "backend unless a cell says otherwise. A blob is a tensor; the input counts as "
                "one."
            )
        )
        yield Table(columns("Net", *COUNTS.values(), right=(1, 2, 3, 4, 5)), tuple(rows))


def _sourced(evidence: Evidence, model: str) -> Cell:
    """A net's title, which leads to the first record that has a result of it."""
    backend = next(iter(_results(evidence, model)))
    return cell(link(_title(evidence, model), evidence.checks[backend].path))


def _agreed(results: dict[str, NetResult], key: str) -> Cell:
    """A count, or each backend's where they differ."""
    values = {backend: getattr(result, key) for backend, result in results.items()}
    if len(set(values.values())) == 1:
        return cell(count(next(iter(values.values()))))
    each = [Span(f"{backend} {count(value)}") for backend, value in values.items()]
    return Cell(joined(each), "fail")


def _paper(evidence: Evidence) -> Iterator[Block]:
    rows = list(_paper_rows(evidence))
    if rows:
        yield Paragraph(
            text(
                "The paper's figures beside ours. A difference here is between the paper and the "
                "authors' own files, whose counts these are; it does not make a net fail."
            )
        )
        titles = ("Net", "Figure", "In the paper", "Paper", "Here", "Difference", "Rounds to it")
        yield Table(columns(*titles, right=(3, 4, 5)), tuple(rows))


def _paper_rows(evidence: Evidence) -> Iterator[tuple[Cell, ...]]:
    for model in _models(evidence):
        results = _results(evidence, model)
        unique = dict.fromkeys(figure for result in results.values() for figure in result.paper)
        for figure in unique:
            yield (
                _sourced(evidence, model),
                cell(figure.what.replace("_", " ").replace("macs", "MACs")),
                cell(unbroken(figure.where)),
                cell(unbroken(figure.paper)),
                cell(count(figure.here)),
                cell(f"{figure.difference_percent:+.2f} %"),
                cell(_rounds(figure.here, figure.paper)),
            )


def _rounds(here: int, printed: str) -> str:
    """Whether a count, rounded to as many digits as the paper prints, is what it prints."""
    figure = printed_figure(printed)
    if figure is None:
        return "—"
    return "yes" if figure.rounds(here) else "no"
