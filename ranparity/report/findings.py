"""The report on defects found in frameworks: what each is, and whether it is still there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ranparity.parity.findings import GONE, STILL_THERE
from ranparity.report.document import (
    Block,
    Cell,
    Folded,
    Listing,
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
from ranparity.report.findings_record import FINDINGS, Finding
from ranparity.report.records import Evidence
from ranparity.report.words import FAILED, NOT_RUN, NOTHING, count, in_words, listed, plural

NAMES = {
    "jax": "JAX",
    "keras": "Keras",
    "opencv": "OpenCV",
    "tensorflow": "TensorFlow",
    "torch": "PyTorch",
}
INTRODUCTION = text(
    "Where a backend or OpenCV was not what it should be and the fault was not in the net, it was "
    "in a framework. Each such defect is here with the smallest program that shows it, which needs "
    "that framework and nothing of this package. A defect is what contradicts the framework's own "
    "documentation or the type of what it gives; other defaults and conventions are none. Each "
    "program was run with the versions beside it, and said whether they have the defect. That "
    "they have it is a fact about them and makes nothing here fail: this package goes around it.",
)


def section(evidence: Evidence) -> Section:
    """A row a defect, and what is behind each, folded."""
    blocks: list[Block] = [Paragraph(INTRODUCTION)]
    record = evidence.findings
    if record is None:
        run = code("nox -s findings")
        blocks.append(Paragraph(text(NOT_RUN, ": ", run, " does it."), "absent"))
    elif record.error:
        why = text(FAILED, ": ", code(record.error), " (", link(FINDINGS, FINDINGS), ")")
        blocks.append(Paragraph(why, "fail"))
    else:
        blocks += [verdicts(record.findings), *map(_details, record.findings)]
    return Section("findings", "Found in frameworks", tuple(blocks))


def verdicts(findings: tuple[Finding, ...]) -> Table:
    """A row a defect: where it is, and whether it is still there."""
    rows = tuple(
        (
            cell(link(finding.title.replace("`", ""), finding.path)),
            cell(_versions(finding) or NOTHING),
            _state(finding),
        )
        for finding in findings
    )
    return Table(columns("Defect", "With", "Now"), rows)


def _marked(words: str) -> Text:
    """Words in which what stands between backticks is code."""
    parts = words.split("`")
    if len(parts) % 2 == 0:  # one of them is alone
        return text(words)
    return tuple(Span(part, code=place % 2 == 1) for place, part in enumerate(parts) if part)


def _versions(finding: Finding) -> str:
    return listed([f"{NAMES.get(name, name)} {of}" for name, of in finding.versions.items()])


def _state(finding: Finding) -> Cell:
    record = link("why", FINDINGS)
    if finding.error:
        return cell(FAILED, " ", record, tone="fail")
    if finding.missing:
        return cell(NOT_RUN, " ", record, tone="absent")
    if finding.has:
        return cell(strong(STILL_THERE), tone="warning")
    return cell(strong(f"✓ {GONE}"), f" with {_versions(finding)}", tone="pass")


def _details(finding: Finding) -> Folded:
    blocks: list[Block] = [Paragraph(_marked(part)) for part in finding.description]
    if finding.printed:
        blocks += [Paragraph(text("It printed:")), Listing(finding.printed)]
    if reason := _reason(finding):
        blocks.append(Paragraph(reason, "fail" if finding.error else "absent"))
    program = text("The program, ", link(finding.path, finding.path), ":")
    blocks += [Paragraph(program), Listing(_program(finding.script), "python")]
    return Folded(_marked(finding.title), tuple(blocks))


def _program(lines: tuple[str, ...]) -> tuple[str, ...]:
    """A script's lines after its docstring, which the description is; all if that is not found."""
    try:
        first = ast.parse("\n".join(lines)).body[0]
    except (SyntaxError, ValueError, IndexError, RecursionError, MemoryError):
        return lines
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    begun = first.end_lineno if documented else 0
    return tuple("\n".join(lines[begun:]).strip("\n").split("\n"))


def _reason(finding: Finding) -> Text:
    """Why there was no answer; nothing if there was one."""
    if finding.error:
        return text(FAILED, ": ", code(finding.error))
    if finding.missing:
        return text(NOT_RUN, ": ", code(finding.missing), " is not installed")
    return ()


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says which program gave no answer; that a defect is there, or gone, is no problem.

    No record at all is none either: `--collect` does not make it. The page says "not run" then.
    """
    record = evidence.findings
    if record is None:
        return
    source = text(" (", link(FINDINGS, FINDINGS), ")")
    if record.error:
        yield text("Found in frameworks: ", FAILED, ": ", code(record.error), *source)
    for finding in record.findings:
        if reason := _reason(finding):
            yield text("Found in frameworks: ", code(finding.id), ": ", *reason, *source)


def summary(evidence: Evidence) -> str:
    """How many there are, for the first page."""
    record = evidence.findings
    if record is None or record.error:
        return "not run."
    answered = [finding for finding in record.findings if finding.answered]
    there = sum(finding.has for finding in answered)
    found = f"{plural(len(record.findings), 'defect')} of frameworks, each with a program"
    silent = len(record.findings) - len(answered)
    unknown = f"; of {in_words(silent)} it is not known" if silent else ""
    states = f"{count(there)} still there, {count(len(answered) - there)} gone"
    return f"{found} that shows it: {states}{unknown}."
