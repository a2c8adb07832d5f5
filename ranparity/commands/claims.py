"""`ranparity claims`: every figure that the sources publish, and what records here say of it."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranparity.errors import InputError

if TYPE_CHECKING:
    from ranparity.claims.kinds import Contradiction
    from ranparity.claims.ledger import Ledger
    from ranparity.report.claim_status import Trial, Verdict

FOLDER = Path("reports")
STATUSES = (  # `ranparity.report.claim_status` has them too, which --help need not load
    *("reproduced", "differs", "not-run", "cannot-be-run", "nothing-published"),
    *("holds", "does-not-hold", "inconclusive"),
)


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "claims",
        help="what the sources publish, and which of it is reproduced here",
        description="Prints the ledger of claims: every figure that the paper and its "
        "re-implementations publish, and its status. A status comes from records alone: from the "
        "trainings and the checks in reports/data, and from run directories that are named. A "
        "training counts if it is what the claim's command asks for: the network, the whole "
        "official data, the recipe with all its numbers, to the end. Exit status 0, whatever "
        "differs: a figure that is not reproduced is a finding, not a failure.",
    )
    add = parser.add_argument
    add("runs", nargs="*", type=Path, metavar="RUN", help="a run directory that counts too")
    add(
        "--reports",
        type=Path,
        default=FOLDER,
        metavar="FOLDER",
        help="where the records are (default: %(default)s)",
    )
    add("--source", default="", metavar="NAME", help="only what this source claims")
    add("--net", default="", metavar="MODEL", help="only what is claimed of this network")
    add(
        "--status",
        default="",
        choices=STATUSES,
        metavar="STATUS",
        help=f"only what has this status: {', '.join(STATUSES)}",
    )
    add("--id", default="", help="only this claim, with details")
    add(
        "--details",
        action="store_true",
        help="also each claim's command, what it does differently, and records that do not count",
    )
    add("--json", action="store_true", help="print JSON in place of the tables")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Judges the claims and prints them."""
    from ranparity.claims import ledger
    from ranparity.report import claim_lines, claim_status, records

    if not arguments.reports.is_dir() and arguments.reports != FOLDER:
        raise InputError(f"--reports {arguments.reports}: expected a folder, found none")
    own = records.named(arguments.runs)
    replaced = {name.rpartition("/")[0] for name in own}
    there = records.load(arguments.reports)
    kept = {name: text for name, text in there.items() if name.rpartition("/")[0] not in replaced}
    evidence = records.evidence(kept | own)
    book = ledger.load()
    status = arguments.status.replace("-", " ")
    verdicts = claim_status.chosen(
        claim_status.judge(book, evidence),
        source=arguments.source,
        net=arguments.net,
        status=status,
        name=arguments.id,
    )
    verdicts = [_placed(each, arguments.runs) for each in verdicts]
    trials = _chosen(claim_status.trials(book, evidence), arguments, status)
    found = _contradictions(book, verdicts)
    if arguments.json:
        print(json.dumps(_json(book, verdicts, trials, found), indent=1))
    else:
        details = arguments.details or bool(arguments.id)
        print("\n".join(claim_lines.lines(verdicts, trials, found, details=details)))
    return 0


def _placed(verdict: Verdict, folders: Sequence[Path]) -> Verdict:
    """Says of runs that a user names where they are, in place of where a report would have them."""
    places = {f"data/runs/{each.resolve().name}/run.json": f"{each}/run.json" for each in folders}
    findings = [replace(each, path=places.get(each.path, each.path)) for each in verdict.findings]
    passed_over = verdict.passed_over or {}
    elsewhere = {places.get(path, path): why for path, why in passed_over.items()}
    return replace(verdict, findings=tuple(findings), passed_over=elsewhere)


def _chosen(trials: list[Trial], arguments: argparse.Namespace, status: str) -> list[Trial]:
    """Gives the directional claims that a reader asks for; they are of no network of the zoo."""
    if arguments.net or arguments.id:
        return []
    return [
        trial
        for trial in trials
        if arguments.source in ("", trial.claim.source.name) and status in ("", trial.status)
    ]


def _contradictions(book: Ledger, verdicts: Sequence[Verdict]) -> list[Contradiction]:
    """Gives those that a claim that is shown has a part in."""
    shown = {each.claim.id for each in verdicts}
    return [each for each in book.contradictions if shown & set(each.claims)]


# For programs.


def _json(
    book: Ledger,
    verdicts: Sequence[Verdict],
    trials: Sequence[Trial],
    contradictions: Sequence[Contradiction],
) -> dict[str, Any]:
    return {
        "measures": [asdict(measure) for measure in book.measures],
        "claims": [_claim_json(book, each) for each in verdicts],
        "directions": [_trial_json(each) for each in trials],
        "contradictions": [asdict(each) for each in contradictions],
        "statuses": dict(Counter(each.status for each in verdicts)),
    }


def _claim_json(book: Ledger, verdict: Verdict) -> dict[str, Any]:
    claim = verdict.claim
    return {
        **asdict(claim),
        "source": claim.source.name,
        "faults": list(claim.source.faults),
        "measure": claim.measure.name,
        "data": claim.data.name if claim.data else None,
        "contradictions": [each.id for each in book.contradicted(claim.id)],
        "status": verdict.status,
        "here": verdict.here,
        "difference": verdict.difference,
        "reading": verdict.reading,
        "records": [asdict(each) for each in verdict.findings],
        "passed_over": dict(verdict.passed_over or {}),
    }


def _trial_json(trial: Trial) -> dict[str, Any]:
    from ranparity.report.claim_status import SMALL_SCALE

    return {
        **asdict(trial.claim),
        "source": trial.claim.source.name,
        "scale": SMALL_SCALE,
        "status": trial.status,
        "fault": trial.fault,
        "record": asdict(trial.experiment) if trial.experiment else None,
    }
