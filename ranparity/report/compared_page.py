"""Runs that a user names as a document: the tables of the report, and where the runs part."""

from __future__ import annotations

from collections.abc import Iterator

from ranparity.parity.ladder.case import TWINS
from ranparity.report import curves, environments, parting_curves, settings
from ranparity.report.compared import Compared
from ranparity.report.comparison import apart, comparison, equal
from ranparity.report.document import (
    Block,
    Bullets,
    Cell,
    Document,
    Paragraph,
    Section,
    Table,
    Text,
    cell,
    code,
    columns,
    joined,
    text,
)
from ranparity.report.groups import data_in_words
from ranparity.report.parting import Pair
from ranparity.report.training import required
from ranparity.report.words import FAIL, NOTHING, PASS, count, listed, plural
from ranparity.training.twins import FACTOR

NO_TWINS = "no twins given: `ranparity run --twin 1 ...` makes one"
RULE = (
    "A twin is the same run, but each trained weight begins one unit in the last place off. The "
    f"losses of two runs part beyond the twins where they are further apart than {FACTOR:g} times "
    "the largest distance that the twins of both have had from their runs so far, which counts as "
    "a loss's unit in the last place where it is less. In the first steps twins have hardly "
    "parted, and one ReLU that falls the other way may be beyond them. Losses only: whether "
    "weights part, whether that is rounding, and where chaos takes over, is told by "
    "`ranparity ladder`."
)


def document(found: Compared, *, drawn: bool) -> Document:
    """The page.

    Args:
        found: What came of the comparison.
        drawn: Whether it has figures.
    """
    group, title = found.group, f"Runs compared: {listed(found.labels)}"
    tables = (comparison(group), *([apart(group)] if group.same_steps() else []))
    sections = [
        Section("recipe", "Recipe and data", tuple(_recipe(found))),
        Section("environment", "Where they ran", tuple(_environment(found))),
        Section("runs", "The runs side by side", tables),
        Section("parting", "Where they part", tuple(_parting(found))),
    ]
    if drawn:
        sections.append(Section("curves", "Curves", tuple(_curves(found))))
    return Document(title, tuple(_opening(found)), tuple(sections))


def _opening(found: Compared) -> Iterator[Block]:
    if problems := tuple(found.problems()):
        yield Paragraph(text(FAIL, " Not the same:"), "fail")
        yield Bullets(problems)
        return
    same = f"The recipe, the data, the initial weights and the batches of {_steps(found)}"
    yield Paragraph(text(PASS, f" {same} are the same; {_losses(found)}."), "pass")


def _steps(found: Compared) -> str:
    """Which steps all runs made."""
    made = {len(run.steps) for run in found.given.runs}
    shared = min(pair.steps for pair in found.pairs)
    if made == {shared}:
        return f"all {plural(shared, 'step')}"
    return f"the {plural(shared, 'step')} that all made alike"


def _losses(found: Compared) -> str:
    """What can be said of the losses where nothing stands against them."""
    if all(pair.other_loss is None for pair in found.pairs):
        return "so is every bit of the losses"
    if not found.judged:
        return f"whether the losses part beyond twins is not known, {NO_TWINS}"
    within = "the losses part no further than the twins allow"
    if len(found.judged) == len(found.pairs):
        return within
    return f"{within}, where there are twins ({len(found.judged)} of {len(found.pairs)} pairs)"


def _recipe(found: Compared) -> Iterator[Block]:
    if found.recipe:
        yield Paragraph(
            text(
                "Not the same. What follows stands side by side all the same, but runs that are "
                "asked different things part for that reason alone."
            ),
            "fail",
        )
        yield settings.table("What differs", found.labels, found.recipe)
        return
    run = found.given.runs[0]
    task, planned = run.task, run.planned_steps
    steps = "" if planned is None else f", {plural(planned, 'step')} planned"
    same = f"The same: {task.model} on {data_in_words(task)}, {task.how}{steps}."
    yield Paragraph(text(same), "pass")


def _environment(found: Compared) -> Iterator[Block]:
    places = [place for run in found.given.runs for place in environments.places_of(run)]
    yield from environments.warning(places)
    for twin, run, names in found.other_places():
        words = f"{found.label(twin)} did not run where {found.label(run)} did: "
        words += f"{listed(names)} differ, which its distance has in it"
        yield Paragraph(text(f"Warning: {words}."), "warning")
    if found.environment:
        yield settings.table("What differs", found.labels, found.environment)
    else:
        yield Paragraph(text("All that the records say of it is the same."))


def _parting(found: Compared) -> Iterator[Block]:
    titles = ("Runs", "Initial weights", "Batches", "Losses", "Final weights", "Optimizer slots")
    yield Table(columns(*titles), tuple(_parted(found, pair) for pair in found.pairs))
    yield Paragraph(text(RULE))
    if not found.judged:
        yield Paragraph(text(f"{NO_TWINS[0].upper()}{NO_TWINS[1:]}."), "absent")
        return
    yield Table(
        columns("Runs", "Twins", "Losses beyond the twins", "Largest", "Allowed", right=(3, 4)),
        tuple(_held(found, pair) for pair in found.pairs),
    )
    names = [code(found.label(twin)) for twin in found.given.twins]
    yield Paragraph(text("Twins: ", *joined(names), ".", *_few(found)))


def _few(found: Compared) -> Text:
    """Says so where there are fewer twins than the ladder makes."""
    fewest = min(len(found.given.twins_of(run)) for run in found.given.runs)
    if fewest >= TWINS:
        return ()
    return text(
        f" The ladder makes {TWINS} of each run: with fewer, and no more than their distances to "
        "go by, a rounding is sooner taken for a difference."
    )


def _parted(found: Compared, pair: Pair) -> tuple[Cell, ...]:
    return (
        cell(code(found.names(pair))),
        equal(pair.same_start, "equal", "not equal"),
        *((_batches(pair), _differing(pair)) if pair.steps else (cell(NOTHING), cell(NOTHING))),
        cell("equal" if pair.same_end else "not equal"),
        cell("equal" if pair.same_slots else "not equal"),
    )


def _batches(pair: Pair) -> Cell:
    """Whether the batches of all steps are equal that both runs made."""
    made = {len(pair.one.steps), len(pair.other.steps)}
    which = "" if made == {pair.steps} else " that both made"
    return equal(
        pair.other_batch is None,
        f"all {count(pair.steps)}{which} equal",
        f"first differ at step {pair.other_batch}",
    )


def _differing(pair: Pair) -> Cell:
    if pair.other_loss is None:
        return cell("the same bits at every step")
    apart = pair.distances[pair.other_loss - 1]
    return cell(f"first differ at step {pair.other_loss}, by {apart:.2g}")


def _held(found: Compared, pair: Pair) -> tuple[Cell, ...]:
    counts = [len(found.given.twins_of(run)) for run in (pair.one, pair.other)]
    name, twins = cell(code(found.names(pair))), cell(" + ".join(map(str, counts)))
    if not pair.allowed:
        return name, twins, cell("no twins given", tone="absent"), cell(NOTHING), cell(NOTHING)
    ratio, factor = cell(f"{pair.ratio:.3g} x"), cell(f"{FACTOR:g} x")
    step = pair.beyond
    if step is None:
        verdict = cell(PASS, f" in none of {plural(pair.steps, 'step')}", tone="pass")
        return name, twins, verdict, ratio, factor
    most = FACTOR * pair.allowed[step - 1]
    apart = f"{pair.distances[step - 1]:.2g} apart, {most:.2g} allowed"
    return name, twins, cell(FAIL, f" first at step {step}: {apart}", tone="fail"), ratio, factor


def _curves(found: Compared) -> Iterator[Block]:
    runs = {found.label(run): run for run in found.given.runs}
    yield curves.draw("compared", runs, required(found.group))
    for number, pair in enumerate(found.judged, start=1):
        yield parting_curves.draw(f"compared-twins-{number}", pair, found.names(pair))
