"""The status of each claim of the ledger, worked out from records alone.

A figure that was trained for is judged by trainings that are what its command asks for: the
network, the whole official data, the recipe with all its numbers, from the tape's weights to the
end. A count is judged by checks of level 0 that found no difference. What has no such record is
"not run", whatever else is there.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ranparity.claims import command
from ranparity.claims.kinds import Claim, Direction
from ranparity.claims.ledger import Ledger
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.report.check_record import NetResult
from ranparity.report.claim_training import RESULTS, unlike
from ranparity.report.direction_record import Experiment
from ranparity.report.records import Evidence
from ranparity.report.words import count

Status = Literal["reproduced", "differs", "not run", "cannot be run", "nothing published"]
STATUSES: tuple[Status, ...] = (
    "reproduced",
    "differs",
    "not run",
    "cannot be run",
    "nothing published",
)
Trend = Literal["holds", "does not hold", "inconclusive", "not run"]
TRENDS: tuple[Trend, ...] = ("holds", "does not hold", "inconclusive", "not run")
SMALL_SCALE = "small scale, narrow nets: direction only"
LAST = 1e-9  # of a point: what binary fractions add to a difference of decimal ones


@dataclass(frozen=True)
class Finding:
    """What one record has for a claim.

    Attributes:
        value: In the unit of the claim.
        label: Which record or reading: `torch, seed 0`, `with BN statistics`; empty if there is
            but one.
        path: The record, relative to the reports folder.
    """

    value: float
    label: str
    path: str


@dataclass(frozen=True)
class Verdict:
    """A claim and what records say of it.

    Attributes:
        claim: The claim.
        status: What follows.
        here: The number that is judged; None where there is no record.
        difference: It, less the figure in print, in the unit of the claim.
        reading: Which reading of a count agrees with the figure; empty if none does.
        findings: All records that count.
        passed_over: Trainings of the same network that do not count, by path, and why.
    """

    claim: Claim
    status: Status
    here: float | None = None
    difference: float | None = None
    reading: str = ""
    findings: tuple[Finding, ...] = ()
    passed_over: Mapping[str, str] | None = None

    @property
    def words(self) -> str:
        """The number that is judged, as text; empty where there is none."""
        return "" if self.here is None else amount(self.claim, self.here)

    @property
    def apart(self) -> str:
        """The difference as text: percent of a count, else in the claim's unit."""
        figure = self.claim.figure
        if self.difference is None or figure is None:
            return ""
        if self.claim.measure.of == "structure":
            return f"{100 * self.difference / figure.value:+.2f} %"
        return f"{self.difference:+.2f}"


@dataclass(frozen=True)
class Trial:
    """A directional claim and what became of it; `fault` says why a record could not be read."""

    claim: Direction
    status: Trend
    experiment: Experiment | None = None
    fault: str = ""


def tally(judged: Sequence[Verdict] | Sequence[Trial]) -> str:
    """Counts statuses, in words: 2 reproduced, 5 differ, 91 not run."""
    counts = Counter(each.status for each in judged)
    order = dict.fromkeys((*STATUSES[:2], *TRENDS, *STATUSES[2:]))
    words = {"differs": "differ", "does not hold": "do not hold", "holds": "hold"}
    told = [
        f"{counts[status]} {words.get(status, status) if counts[status] > 1 else status}"
        for status in order
        if counts[status]
    ]
    return ", ".join(told)


def amount(claim: Claim, value: float) -> str:
    """Writes a number as results of a claim's measure are written: 5.61, 31,883,432."""
    return count(round(value)) if claim.measure.of == "structure" else f"{value:.2f}"


def judge(ledger: Ledger, evidence: Evidence) -> list[Verdict]:
    """Gives the verdict on every claim, in the ledger's order."""
    return [_verdict(claim, evidence) for claim in ledger.claims]


def trials(ledger: Ledger, evidence: Evidence) -> list[Trial]:
    """Gives what became of every directional claim, in the ledger's order."""
    return [_trial(claim, evidence) for claim in ledger.directions]


def _trial(claim: Direction, evidence: Evidence) -> Trial:
    record = evidence.directions
    key = (claim.experiment, claim.data)
    if record is None:
        return Trial(claim, "not run")
    if fault := record.error or record.faults.get(key):
        return Trial(claim, "not run", fault=fault)
    experiment = record.experiments.get(key)
    if experiment is None:
        return Trial(claim, "not run")
    words: dict[str, Trend] = {
        "yes": "holds",
        "no": "does not hold",
        "inconclusive": "inconclusive",
    }
    return Trial(claim, words[experiment.holds], experiment)


def _verdict(claim: Claim, evidence: Evidence) -> Verdict:
    if claim.why:
        return Verdict(claim, "cannot be run")
    if claim.measure.of == "none":
        return Verdict(claim, "nothing published")
    if claim.measure.of == "structure":
        return _counted(claim, evidence)
    return _trained(claim, evidence)


# Counts.


def _counted(claim: Claim, evidence: Evidence) -> Verdict:
    findings, figure = tuple(_counts(claim, evidence)), claim.figure
    if not findings or figure is None:
        return Verdict(claim, "not run")
    readings: dict[str, list[Finding]] = {}
    for found in findings:
        readings.setdefault(found.label, []).append(found)
    agreeing = [
        counts[0]
        for counts in readings.values()
        if all(figure.rounds(each.value) for each in counts)  # on every backend
    ]
    nearest = min(findings, key=lambda found: abs(found.value - figure.value))
    judged = agreeing[0] if agreeing else nearest
    return Verdict(
        claim,
        "reproduced" if agreeing else "differs",
        judged.value,
        judged.value - figure.value,
        judged.label if agreeing else "",
        findings,
    )


def _counts(claim: Claim, evidence: Evidence) -> Iterator[Finding]:
    """Gives each reading of the count that each backend's check has."""
    name = command.checked(claim.command)
    for backend in evidence.backends:
        record = evidence.checks.get(backend)
        result = record.nets.get(name) if record else None
        if record is None or result is None or result.differences or _is_other(result):
            continue
        if claim.measure.name == "macs":
            yield Finding(result.macs, "", record.path)
        else:
            yield Finding(result.trainable_parameters, "trainable", record.path)
            yield Finding(result.parameters_with_statistics, "with BN statistics", record.path)


def _is_other(result: NetResult) -> bool:
    """Whether a check counted another net than the zoo has under this name now."""
    entry = zoo.ENTRIES.get(result.model)
    if entry is None or entry.integers is None:
        return True
    keys = ("trainable_parameters", "parameters_with_statistics", "macs")
    return any(getattr(result, key) != getattr(entry.integers, key) for key in keys)


# Trainings.


def _trained(claim: Claim, evidence: Evidence) -> Verdict:
    asked = command.training(claim.command)
    findings, passed_over = [], {}
    for run in evidence.finished:
        if run.task.model != asked.model:
            continue
        if reasons := list(unlike(claim, asked, run)):
            passed_over[run.path] = "; ".join(reasons)
        else:
            label = f"{' then '.join(run.backends)}, seed {run.task.seed}"
            findings.append(Finding(RESULTS[claim.measure.name](run), label, run.path))
    return _judged(claim, tuple(findings), passed_over)


def _judged(claim: Claim, findings: tuple[Finding, ...], passed_over: dict[str, str]) -> Verdict:
    figure, margin = claim.figure, claim.measure.margin
    if not findings or figure is None or margin is None:
        return Verdict(claim, "not run", passed_over=passed_over)
    here = statistics.median(found.value for found in findings)
    difference = here - figure.value
    status: Status = "reproduced" if abs(difference) <= margin + LAST else "differs"
    return Verdict(claim, status, here, difference, "", findings, passed_over)


def chosen(
    verdicts: list[Verdict], *, source: str = "", net: str = "", status: str = "", name: str = ""
) -> list[Verdict]:
    """Gives the verdicts that a reader asks for.

    Raises:
        InputError: There is no such source, network or id.
    """
    _check("source", source, [each.claim.source.name for each in verdicts])
    _check("net", net, [each.claim.net for each in verdicts])
    _check("id", name, [each.claim.id for each in verdicts])
    return [
        each
        for each in verdicts
        if (not source or each.claim.source.name == source)
        and (not net or each.claim.net == net)
        and (not status or each.status == status)
        and (not name or each.claim.id == name)
    ]


def _check(option: str, given: str, known: list[str]) -> None:
    names = sorted({name for name in known if name})
    if given and given not in names:
        shown = f"one of {', '.join(names)}" if len(names) < 40 else "an id as the table has it"
        raise InputError(f"--{option}: expected {shown}. Received: {given!r}")
