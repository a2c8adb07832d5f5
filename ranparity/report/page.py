"""The report as a document: what it is, the verdict, then section by section the evidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from ranparity.models import zoo
from ranparity.report import (
    alterations,
    bench,
    claims,
    directions,
    endurance,
    environments,
    features,
    findings,
    judging,
    ladder,
    layers,
    many,
    masks,
    matrix,
    schema_files,
    statistics,
    structure,
    training,
    whole_zoo,
)
from ranparity.report.document import (
    Bullets,
    Document,
    Paragraph,
    Section,
    Span,
    Table,
    Text,
    cell,
    code,
    columns,
    link,
    strong,
    text,
)
from ranparity.report.groups import Group, groups
from ranparity.report.records import Evidence
from ranparity.report.words import count, in_words, listed, percent
from ranparity.schema import KEY, VERSION

TITLE = "ranparity: is this network the same network everywhere?"


def problems(evidence: Evidence) -> list[Text]:
    """All that failed, differs or is missing; nothing else makes a report fail."""
    parts = (
        structure,
        alterations,
        ladder,
        judging,
        findings,
        training,
        masks,
        features,
        whole_zoo,
        statistics,
        many,
        endurance,
        bench,
        claims,
    )
    return [problem for part in parts for problem in part.problems(evidence)]


def document(evidence: Evidence, found: Sequence[Text]) -> Document:
    """The page.

    Args:
        evidence: All records.
        found: Its problems.

    Raises:
        InputError: A prototxt of the zoo is missing or damaged.
    """
    sections = (
        structure.section(evidence),
        alterations.section(evidence),
        ladder.section(evidence),
        judging.section(evidence),
        findings.section(evidence),
        training.section(evidence),
        masks.section(evidence),
        features.section(evidence),
        whole_zoo.section(evidence),
        statistics.section(evidence),
        many.section(evidence),
        endurance.section(evidence),
        bench.section(evidence),
        directions.section(evidence),
        claims.section(evidence),
        layers.section(evidence),
        environments.section(evidence),
        _making(),
    )
    opening = (
        Paragraph(_lead()),
        *_verdict(found),
        *matrix.blocks(evidence),
        *_numbers(evidence),
        *environments.warnings(evidence),
    )
    return Document(TITLE, opening, tuple(_with_banner(each, evidence) for each in sections))


def _with_banner(section: Section, evidence: Evidence) -> Section:
    """A section that says, behind its introduction, where its records are of different places."""
    first, *others = section.blocks
    blocks = (first, *environments.banner(evidence, section.name), *others)
    return dataclasses.replace(section, blocks=blocks)


def _lead() -> Text:
    return text(
        "ranparity asks whether a network is the same network everywhere: the same as its "
        "authors' Caffe release, layer by layer, and the same when it is trained on PyTorch, "
        f"TensorFlow and JAX. Here {in_words(len(zoo.ENTRIES))} networks, written in Keras 3, are "
        "held against their Caffe descriptions on each backend: the Residual Attention Networks "
        "(Wang et al., CVPR 2017) with their variants, ResNets and DRA-Net. Some of them are "
        "trained on each backend from the same weights with the same batches."
    )


def _verdict(found: Sequence[Text]) -> Iterator[Paragraph | Bullets]:
    if found:
        noun = "finding stands" if len(found) == 1 else "findings stand"
        words = text(strong("✗ FAIL"), f" {len(found)} {noun} against it:")
        yield Paragraph(words, "fail")
        yield Bullets(tuple(found))
    else:
        yield Paragraph(
            text(strong("✓ PASS"), " All checks and trainings here have passed."), "pass"
        )


def _numbers(evidence: Evidence) -> Iterator[Paragraph | Bullets]:
    summary = tuple(_summary(evidence))
    if summary:
        yield Paragraph(text("What was found:"))
        yield Bullets(summary)


def _summary(evidence: Evidence) -> Iterator[Text]:
    """A line for each kind of evidence that there is."""
    results = [net for check in evidence.checks.values() for net in check.nets.values()]
    if results:
        compared = sum(result.compared for result in results)
        differ = sum(len(result.differences) for result in results)
        on = listed([name for name in evidence.backends if _has_results(evidence, name)])
        yield text(
            _to("Structure", "structure"),
            f": {count(compared)} facts about {len({result.model for result in results})} nets "
            f"compared on {on}; {count(differ) if differ else 'none'} of them differ.",
        )
    yield from _alterations(evidence)
    yield text(_to("The ladder", "ladder"), f": {ladder.summary(evidence)}")
    yield text(_to("Its judge", "judge"), f": {judging.summary(evidence)}")
    yield text(_to("Found in frameworks", "findings"), f": {findings.summary(evidence)}")
    for group in groups(evidence):
        if group.finished:
            yield _trained(group)
    yield text(_to("The whole zoo", "zoo"), f": {whole_zoo.summary(evidence)}")
    yield text(_to("Statistics", "statistics"), f": {statistics.summary(evidence)}")
    yield text(_to("Many runs", "many"), f": {many.summary(evidence)}")
    yield text(_to("Endurance", "endurance"), f": {endurance.summary(evidence)}")
    yield text(_to("Speed", "speed"), f": {bench.summary(evidence)}")
    yield text(_to("Directions", "directions"), f": {directions.summary(evidence)}")
    yield text(_to("Claims", "claims"), f": {claims.summary(evidence)}")


def _has_results(evidence: Evidence, backend: str) -> bool:
    return backend in evidence.checks and bool(evidence.checks[backend].nets)


def _alterations(evidence: Evidence) -> Iterator[Text]:
    if evidence.alterations and evidence.alterations.sides:
        proofs = [proof for side in evidence.alterations.sides.values() for proof in side]
        tried, found = sum(p.tried for p in proofs), sum(p.found for p in proofs)
        yield text(
            _to("Can it fail?", "alterations"),
            f" {count(found)} of {count(tried)} faults that were put in on purpose were found, "
            "each at its layer.",
        )


def _trained(group: Group) -> Text:
    each = [f"{group.label(run)} {percent(run.test_accuracy)}" for run in group.finished]
    return text(
        _to("Training", "training"),
        f": {group.title}: accuracy on the {count(group.finished[0].task.test)} test images: "
        f"{', '.join(each)}.",
    )


def _to(words: str, section: str) -> Span:
    return Span(words, f"#{section}")


def _kinds() -> Table:
    """A row for each kind of record, with its schema."""
    rows = []
    for kind, where in schema_files.KINDS.items():
        path = schema_files.path(kind)
        rows.append((cell(schema_files.title(kind)), cell(where), cell(link(path, path))))
    return Table(columns("Record", "Files", "JSON Schema"), tuple(rows))


def _making() -> Section:
    blocks = (
        Paragraph(
            text(
                "Made by ",
                code("ranparity report"),
                " from the records in ",
                code("data", "data"),
                " and the Caffe descriptions in ",
                code("prototxt", "../prototxt"),
                "; not edited. ",
                code("nox -s report"),
                " runs the checks, levels 1 to 3 of the ladder on a net, and a training on each "
                "backend again, ",
                code("nox -s endurance"),
                " the runs that are killed, ",
                code("nox -s statistics"),
                " the runs of many seeds, ",
                code("nox -s ladder-nets"),
                " and ",
                code("nox -s ladder"),
                " the ladder and what judges its judge, ",
                code("nox -s findings"),
                " the programs that show defects of frameworks, ",
                code("nox -s second-opinion"),
                " prototxts, ",
                code("nox -s bench"),
                ", ",
                code("nox -s operations"),
                " and ",
                code("nox -s growth"),
                " the times. The page is ",
                link("README.md", "README.md"),
                " and ",
                link("index.html", "index.html"),
                ", which is one file and needs no network. Every number stands in the record that "
                "its row or column links to.",
            )
        ),
        Paragraph(
            text(
                "What a record holds, in which units and with which order of axes, its JSON Schema "
                "(draft 2020-12) says. The schemas are of version "
                f"{VERSION}, and so is a record whose ",
                code(KEY),
                " says so, or that has none; one of another version is not read, and is here as "
                "one that failed. A result of a prototxt that has changed since it was found is "
                "stale, and what a session has not done is not run: neither counts as a pass.",
            )
        ),
        _kinds(),
    )
    return Section("making", "How this was made", blocks)
