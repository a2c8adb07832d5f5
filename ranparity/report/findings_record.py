"""The record of defects found in frameworks, data/findings.json, read with care."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ranparity.parity.findings import ANSWERS, ID, digest
from ranparity.report.reading import Fields, MalformedError, clean, parse_record

FINDINGS = "data/findings.json"
OUTCOMES = ("has", "missing", "error")


@dataclass(frozen=True)
class Finding:
    """A defect of a framework, and whether the version that was asked has it.

    Attributes:
        id: The name of its script, without the suffix.
        title: What is wrong, in a line.
        description: What is expected, what comes, and why it matters, a paragraph each.
        script: The script's lines.
        printed: What it has printed, in lines.
        has: Whether the defect was there; of no meaning where there was no answer.
        missing: What was not installed that the script needs; empty if all was.
        error: Why there was no answer; empty if there was one.
        versions: Of what it concerns, by the names of distributions.
        environment: Where it ran, if that is recorded.
    """

    id: str
    title: str
    description: tuple[str, ...]
    script: tuple[str, ...]
    printed: tuple[str, ...]
    has: bool = False
    missing: str = ""
    error: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, Any] | None = None

    @property
    def path(self) -> str:
        """The script's file, relative to the reports folder."""
        return f"findings/{self.id}.py"

    @property
    def answered(self) -> bool:
        """Whether the script has said yes or no."""
        return not (self.missing or self.error)


@dataclass(frozen=True)
class FindingsRecord:
    """All of them, or why there are none."""

    findings: tuple[Finding, ...] = ()
    error: str = ""


def read(content: bytes) -> FindingsRecord:
    """Reads the record; one that cannot be read is there as an error."""
    try:
        fields = parse_record(content)
        if fields.has("error"):
            return FindingsRecord(error=fields.text("error"))
        found = fields.every("findings", _finding)
        ids = [each.id for each in found]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise MalformedError(f"the finding {twice[0]} is there twice")
        return FindingsRecord(found)
    except MalformedError as fault:
        return FindingsRecord(error=str(fault))


def _finding(row: Fields) -> Finding:
    name = row.text("id")
    if not ID.fullmatch(name):
        raise MalformedError(f'{row.where}: expected the name of a script as "id", found {name}')
    outcome = [key for key in OUTCOMES if row.has(key)]
    if len(outcome) != 1:
        expected = ", ".join(f'"{key}"' for key in OUTCOMES)
        raise MalformedError(f"{row.where}: expected one of {expected}, found {len(outcome)}")
    finding = Finding(
        id=name,
        title=row.text("title"),
        description=row.texts("description"),
        script=row.texts("script"),
        printed=row.texts("printed"),
        has=row.flag("has") if outcome == ["has"] else False,
        missing=row.text("missing") if outcome == ["missing"] else "",
        error=row.text("error") if outcome == ["error"] else "",
        versions=_versions(row) if outcome == ["has"] else {},
        environment=row.environment(),
    )
    _refuse_contradictions(finding, row)
    return finding


def _versions(row: Fields) -> dict[str, str]:
    versions = row.fields("versions")
    found = {clean(name): versions.text(name) for name in row.mapping("versions")}
    if not found:
        raise MalformedError(f"{row.where}: expected the version of a framework, found none")
    return found


def _refuse_contradictions(finding: Finding, row: Fields) -> None:
    """Raises where a finding does not agree with itself."""
    if digest(row.items("script")) != row.text("digest"):
        raise MalformedError(f"{row.where}: the script is not the one of the digest")
    if finding.answered and not row.has("has"):
        raise MalformedError(f"{row.where}: expected a reason, found an empty text")
    if finding.answered and finding.printed[-1:] != (ANSWERS[int(finding.has)],):
        said = finding.printed[-1] if finding.printed else "nothing"
        raise MalformedError(f'{row.where}: its script has printed "{said}" at the end')
