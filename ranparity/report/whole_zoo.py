"""The report on the whole zoo: every net run once on each backend, and the short trainings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ranparity.models import zoo
from ranparity.parity import ablations, nets
from ranparity.report.document import (
    Block,
    Bullets,
    Cell,
    Heading,
    Paragraph,
    Section,
    Span,
    Table,
    Text,
    Tone,
    cell,
    code,
    columns,
    link,
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
    percent,
    plural,
    seconds,
)
from ranparity.report.zoo_record import NetRow, TrainingRow, ZooRecord

INTRODUCTION = text(
    "Every net of the zoo, built at its own size with weights from the tape and run on one image, "
    "the same on every backend: compiled on TensorFlow and JAX, eagerly on PyTorch. It passes "
    "where its output has the right shape and finite numbers, where its probabilities sum to 1, "
    "and where level 0 finds no difference at its own size and at an odd one. The seconds are "
    "those of building it, of the first run (with what compiling takes) and of level 0. The last "
    "column is how far the backends' logits are apart, the largest difference in parts of the "
    "largest logit: it is for information. How much of that is rounding is the question of level 1."
)
TRAININGS = text(
    "Nets as the paper and its re-implementations altered them to see what a part is worth, "
    "trained for one epoch on digits, and DRA-Net, trained in both of its stages, which must reach "
    f"{percent(ablations.LEAST, 0)} of the held-out images. A training passes when it runs to its "
    "end. One epoch does not say which net is the better one. Where a name ends with @4, every "
    "width is a fourth of the net's."
)
Rows = Mapping[str, dict[str, Any]]


def section(evidence: Evidence) -> Section:
    """Nets by backends, then the trainings."""
    blocks: list[Block] = [Paragraph(INTRODUCTION), verdicts(evidence)]
    notes = tuple(_notes(evidence))
    if notes:
        blocks.append(Bullets(notes))
    blocks += [Heading("Short trainings"), Paragraph(TRAININGS), trainings(evidence)]
    return Section("zoo", "The whole zoo, run once", tuple(blocks))


def verdicts(evidence: Evidence) -> Table:
    """A row a net, a column a backend: the verdict and its seconds."""
    rows = tuple(_net_row(evidence, model) for model in _models(evidence))
    titles: tuple[str | Span, ...] = (
        "Net",
        "Parameters",
        *map(code, evidence.backends),
        "Logits apart",
    )
    return Table(columns(*titles, right=(1, len(titles) - 1)), rows)


def _models(evidence: Evidence) -> list[str]:
    """The nets of the zoo, then any others that a record speaks of."""
    found = [name for record in evidence.zoo.values() for name in record.nets]
    return list(dict.fromkeys([*zoo.ENTRIES, *found]))


def _rows(evidence: Evidence, part: str, model: str) -> dict[str, Any]:
    """A net's or a training's rows, by backend, in their order."""
    records = {name: evidence.zoo[name] for name in evidence.backends if name in evidence.zoo}
    return {
        name: rows[model]
        for name, record in records.items()
        if model in (rows := getattr(record, part))
    }


def _net_row(evidence: Evidence, model: str) -> tuple[Cell, ...]:
    found: dict[str, NetRow] = _rows(evidence, "nets", model)
    present = {name: row for name, row in found.items() if not (row.error or row.stale)}
    whole = {name: dict(row.row) for name, row in present.items()}
    parameters = {row.parameters for row in present.values()}
    title = zoo.ENTRIES[model].title if model in zoo.ENTRIES else model
    return (
        cell(title),
        cell(" or ".join(map(count, sorted(parameters))) or NOTHING),
        *(_verdict(evidence.zoo.get(name), found.get(name)) for name in evidence.backends),
        _apart(whole),
    )


def _apart(rows: Rows) -> Cell:
    if not nets.same(rows):
        return cell("other weights or images", tone="fail")
    apart = nets.apart(rows)
    return cell(NOTHING) if apart is None else cell(f"{apart:.1e}")


def _verdict(record: ZooRecord | None, row: NetRow | TrainingRow | None) -> Cell:
    if record is None or row is None:
        return cell(NOT_RUN, tone="absent")
    if row.error:
        return cell(FAILED, " ", link("why", record.path), tone="fail")
    if stale := _stale(row):
        return cell(STALE, ": ", link(stale, record.path), tone="warning")
    tone: Tone = "pass" if row.passed else "fail"
    return cell(PASS if row.passed else FAIL, " ", link(_what(row), record.path), tone=tone)


def _stale(row: NetRow | TrainingRow) -> str:
    """Why a row is no evidence any more; a training's does not depend on a prototxt."""
    return row.stale if isinstance(row, NetRow) else ""


def _what(row: NetRow | TrainingRow) -> str:
    """What a verdict rests on, in a few words."""
    if row.faults:
        return row.faults[0]
    if isinstance(row, TrainingRow):
        return f"{percent(row.accuracy)} in {seconds(row.seconds)}"
    if row.differ:
        return f"{count(row.differ)} of {plural(row.compared, 'fact')} differ"
    return " + ".join(f"{each:.1f}" for each in row.seconds.values()) + " s"


def trainings(evidence: Evidence) -> Table:
    """A row a training, a column a backend, and how the first of them went."""
    rows = tuple(_training_row(evidence, model) for model in _trained(evidence))
    titles: tuple[str | Span, ...] = (
        "Net",
        "Steps",
        "First loss",
        "Last loss",
        *map(code, evidence.backends),
        "Begun alike",
    )
    return Table(columns(*titles, right=(1, 2, 3)), rows)


def _trained(evidence: Evidence) -> list[str]:
    found = [name for record in evidence.zoo.values() for name in record.trainings]
    return list(dict.fromkeys([*ablations.names().values(), *found]))


def _training_row(evidence: Evidence, model: str) -> tuple[Cell, ...]:
    found: dict[str, TrainingRow] = _rows(evidence, "trainings", model)
    whole = {name: row for name, row in found.items() if not row.error}
    alike = ablations.same({name: dict(row.row) for name, row in whole.items()})
    return (
        cell(code(model)),
        cell(_span([row.steps for row in whole.values()], "d")),
        cell(_span([row.first_loss for row in whole.values()], ".3f")),
        cell(_span([row.last_loss for row in whole.values()], ".3f")),
        *(_verdict(evidence.zoo.get(name), found.get(name)) for name in evidence.backends),
        cell(
            ("yes" if alike else "no") if len(whole) > 1 else NOTHING, tone="" if alike else "fail"
        ),
    )


def _span(values: list[Any], form: str) -> str:
    """The least and the largest value, once where they read alike."""
    if not values:
        return NOTHING.text
    least, largest = f"{min(values):{form}}", f"{max(values):{form}}"
    return least if least == largest else f"{least} to {largest}"


def _notes(evidence: Evidence) -> Iterator[Text]:
    """Why there is no evidence, each reason once."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for name, what, reason in _reasons(evidence):
        reasons.setdefault((name, reason), []).append(what)
    for (name, reason), whats in reasons.items():
        yield text(FAILED, " on ", code(name), f", {', '.join(whats)}: ", code(reason))


def _reasons(evidence: Evidence) -> Iterator[tuple[str, str, str]]:
    """The backend, what failed there, and why."""
    for name, record in evidence.zoo.items():
        if record.error:
            yield name, "the record", record.error
        for rows in (record.nets, record.trainings):
            for row in rows.values():
                reason = row.error or "; ".join(row.faults)
                if reason:
                    yield name, row.model, reason


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says what failed, what backends did not begin alike, and what was left out.

    No record at all is no problem: the session takes long, and `--collect` does not do it. The page
    says "not run" then.
    """
    for name, record in evidence.zoo.items():
        yield from _problems_on(name, record)
    for part, same, begun in (
        ("nets", nets.same, "ran with other weights or images"),
        ("trainings", ablations.same, "trained from other weights or on other batches"),
    ):
        for model in {m: 0 for record in evidence.zoo.values() for m in getattr(record, part)}:
            rows = _rows(evidence, part, model)
            known = {n: row.row for n, row in rows.items() if not (row.error or _stale(row))}
            if not same(known):
                yield text("Zoo, ", code(model), f": backends {begun}.")
    for name in evidence.spoken_of if evidence.zoo else ():
        if name not in evidence.zoo:
            yield text("Zoo on ", code(name), ": not run.")


def _problems_on(name: str, record: ZooRecord) -> Iterator[Text]:
    source = text(" (", link(record.path, record.path), ")")
    if record.error:
        yield text("Zoo on ", code(name), ": FAILED: ", code(record.error), *source)
        return
    for rows in (record.nets, record.trainings):
        for row in rows.values():
            if why := _against(row):
                yield text("Zoo, ", code(row.model), " on ", code(name), ": ", *why, *source)
    for model in zoo.ENTRIES:
        if model not in record.nets:
            yield text("Zoo, ", code(model), " on ", code(name), ": not run", *source)


def _against(row: NetRow | TrainingRow) -> Text:
    """What speaks against a row; nothing if it passes."""
    if row.error:
        return text("FAILED: ", code(row.error))
    if stale := _stale(row):
        return text(f"stale: {stale}: run ", code("nox -s zoo"), " again")
    return () if row.passed else text(_what(row))


def summary(evidence: Evidence) -> str:
    """What came of it, for the first page."""
    records = {name: evidence.zoo[name] for name in evidence.backends if name in evidence.zoo}
    if not records:
        return "not run."
    each = [
        f"{name} {sum(row.passed for row in record.nets.values())} of {len(zoo.ENTRIES)} nets and "
        f"{sum(row.passed for row in record.trainings.values())} of "
        f"{len(ablations.names())} short trainings"
        for name, record in records.items()
    ]
    return f"passed on {', '.join(each)}."
