from __future__ import annotations

import json

from ranparity.claims import ledger
from ranparity.report import claims, page, records
from ranparity.report.claim_status import SMALL_SCALE, judge
from ranparity.report.direction_record import DIRECTIONS
from ranparity.report.document import Bullets, Folded, Table
from ranparity.report.records import Evidence
from tests.report import samples
from tests.report.test_claim_status import CLAIM, trained, with_runs
from tests.report.test_direction_record import experiment
from tests.report.test_structure import row, words

BOOK = ledger.load()
CHECKED = records.evidence(samples.reports())


def shown(evidence: Evidence, *names: str) -> Table:
    verdicts = {each.claim.id: each for each in judge(BOOK, evidence)}
    return claims.claim_table([verdicts[name] for name in names])


def cells(evidence: Evidence, name: str) -> list[str]:
    return [words(each.text) for each in row(shown(evidence, name), name)]


def directed(**changes: object) -> Evidence:
    files = {DIRECTIONS: json.dumps({"experiments": [experiment(**changes)]}).encode()}
    return records.evidence(samples.reports() | files)


def test_a_claim_that_was_not_run_has_its_command() -> None:
    assert cells(CHECKED, "paper-t5-92-30") == [
        "paper-t5-92-30",
        "Table\N{NO-BREAK SPACE}5",
        "Attention-92, 30 % label noise",
        "CIFAR-10, test error, %",
        "5.79",
        "—",
        "—",
        "not run",
        "ranparity run --model attention92-cifar --data cifar10 --recipe paper-cifar "
        "--label-noise 0.3",
    ]
    (status,) = [each for each in shown(CHECKED, CLAIM).rows[0] if each.tone]
    assert status.tone == "absent"


def test_a_count_leads_to_the_check_and_says_which_reading_agrees() -> None:
    found = row(shown(CHECKED, "paper-t2-56-parameters"), "paper-t2-56-parameters")
    assert words(found[5].text) == (
        "31,810,728 trainable, 31,883,432 with BN statistics; agrees: with BN statistics"
    )
    assert found[5].text[0].href == "data/check-torch.json"
    assert (words(found[7].text), found[7].tone) == ("✓ reproduced", "pass")
    assert cells(CHECKED, "paper-t2-92-parameters")[5:8] == [
        "52,466,344 trainable, 52,599,976 with BN statistics",
        "+2.27\N{NO-BREAK SPACE}%",
        "differs",
    ]


def test_trainings_are_all_linked_and_the_median_is_named() -> None:
    evidence = with_runs(trained(seed=0, accuracy=0.94), trained(seed=1, accuracy=0.95))
    found = row(shown(evidence, CLAIM), CLAIM)
    assert words(found[5].text) == "6.00 torch, seed 0, 5.00 torch, seed 1; median 5.50"
    assert [span.href for span in found[5].text if span.href] == [
        "data/runs/run-0/run.json",
        "data/runs/run-1/run.json",
    ]
    assert (words(found[6].text), words(found[7].text)) == ("-0.02", "✓ reproduced")


def test_what_cannot_be_run_says_why() -> None:
    assert cells(CHECKED, "paper-t7-inception56-top1")[5:] == [
        "—",
        "—",
        "cannot be run",
        "its structure was never published",
    ]


def test_the_overview_counts_every_claim_once() -> None:
    table = claims.overview(judge(BOOK, CHECKED))
    numbers = [[words(each.text) for each in cells[1:]] for cells in table.rows]
    counts = [[int(number) for number in line] for line in numbers]
    assert all(line[0] == sum(line[1:]) for line in counts)
    assert counts[-1] == [sum(column) for column in zip(*counts[:-1], strict=True)]
    assert counts[-1][0] == len(BOOK.claims)


def test_the_section_has_every_claim_and_every_contradiction() -> None:
    blocks = claims.section(CHECKED).blocks
    tables = [
        table
        for block in blocks
        if isinstance(block, Folded)
        for table in block.blocks
        if isinstance(table, Table)
    ]
    names = [words(line[0].text) for table in tables for line in table.rows]
    assert names == [claim.id for claim in BOOK.claims]
    (bullets,) = [block for block in blocks if isinstance(block, Bullets)]
    told = " ".join(words(item) for item in bullets.items)
    assert all(name in told for each in BOOK.contradictions for name in each.claims)


def test_directions_are_shown_with_spread_seeds_and_scale() -> None:
    blocks = claims.section(directed()).blocks
    table = next(b for b in blocks if isinstance(b, Table) and words(b.columns[0].title) == "Claim")
    first, *others = table.rows
    assert [words(each.text) for each in first[2:]] == [
        "digits",
        "✓ holds",
        "attention56-cifar@8 against attention56-cifar-naive@8, 4 epochs",
        "error of naive less error of residual, points; above 0 if residual is better",
        "+1.00",
        "0.50",
        "+1.50, +0.50, +1.00",
    ]
    assert (first[3].tone, first[3].text[0].href) == ("pass", DIRECTIONS)
    assert {words(line[3].text) for line in others} == {"not run"}
    assert any(SMALL_SCALE in words(block.text) for block in blocks if hasattr(block, "text"))


def test_a_damaged_record_of_directions_is_a_problem_and_a_differing_claim_is_none() -> None:
    assert list(claims.problems(CHECKED)) == list(claims.problems(directed())) == []
    (fault,) = map(words, claims.problems(directed(holds="surely")))
    assert fault == (
        "Directions, attention-residual on digits: FAILED: expected yes, no, inconclusive as "
        '"holds", found "surely" (data/directions.json)'
    )
    damaged = records.evidence({DIRECTIONS: b"?"})
    assert [words(each)[:33] for each in claims.problems(damaged)] == [
        "Directions: FAILED: not JSON: Exp"
    ]


def test_the_first_page_sums_up() -> None:
    told = claims.summary(CHECKED)
    assert told.startswith(f"{len(BOOK.claims)} figures that the sources publish: ")
    count = len(BOOK.directions)
    assert told.endswith(f"; {count} claims of direction at small scale: {count} not run.")
    opening = page.document(CHECKED, []).opening
    lines = [words(item) for each in opening if isinstance(each, Bullets) for item in each.items]
    assert f"Claims: {told}" in lines
