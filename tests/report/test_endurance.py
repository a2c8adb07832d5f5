from __future__ import annotations

from typing import Any

from ranparity.report import endurance, records
from ranparity.report.document import Bullets
from tests.report import samples
from tests.report.test_structure import row, words

PATH = "data/endurance-jax.json"
DIFFERS: dict[str, Any] = {
    "verdict": "differs",
    "differences": [f"round {n}: steps.jsonl: from line {n} on" for n in range(1, 13)],
}


def read(**changes: Any) -> records.Evidence:
    return records.evidence(samples.spoilt(samples.reports(), PATH, **changes))


def without(*backends: str) -> records.Evidence:
    gone = {f"data/endurance-{name}.json" for name in backends}
    files = {name: text for name, text in samples.reports().items() if name not in gone}
    return records.evidence(files)


def shown(evidence: records.Evidence, backend: str) -> list[str]:
    return [words(cell.text) for cell in row(endurance.verdicts(evidence), backend)]


def notes(evidence: records.Evidence) -> list[str]:
    blocks = endurance.section(evidence).blocks
    return [words(item) for block in blocks if isinstance(block, Bullets) for item in block.items]


def problems(evidence: records.Evidence) -> list[str]:
    return [words(problem) for problem in endurance.problems(evidence)]


def test_the_same_bits_on_every_backend_are_a_pass() -> None:
    table = endurance.verdicts(read())
    assert [words(column.title) for column in table.columns] == [
        "Backend",
        "Verdict",
        "Kills",
        "in a checkpoint",
        "at a step",
        "at any moment",
        "After steps",
        "Rounds",
        "What differed",
    ]
    found = ["✓ PASS bit for bit the same", "9", "4", "3", "2", "0 to 57", "2", "nothing"]
    for name in samples.BACKENDS:
        assert shown(read(), name) == [name, *found]
        verdict = row(table, name)[1]
        assert (verdict.tone, verdict.text[-1].href) == ("pass", f"data/endurance-{name}.json")
    assert problems(read()) == []
    assert notes(read()) == ["Runs on torch, tensorflow, jax: --steps 60, seed 0"]


def test_a_difference_fails_and_is_named() -> None:
    evidence = read(**DIFFERS)
    first = "round 1: steps.jsonl: from line 1 on"
    assert shown(evidence, "jax")[1] == "✗ FAIL 12 differences"
    assert shown(evidence, "jax")[-1] == first
    assert problems(evidence) == [
        "Endurance on jax: 12 differences after kills (data/endurance-jax.json)"
    ]
    assert [note for note in notes(evidence) if note.startswith("Differs")] == [
        f"Differs on jax: {each}" for each in DIFFERS["differences"][:10]
    ]
    assert endurance.summary(evidence).endswith(
        "; runs on jax did not end with the bits of an undisturbed run."
    )


def test_a_record_that_failed_or_is_damaged_says_why() -> None:
    evidence = read(error="the run ended with 3: no memory")
    assert shown(evidence, "jax") == ["jax", "✗ FAILED why", *["—"] * 7]
    assert row(endurance.verdicts(evidence), "jax")[1].tone == "fail"
    assert "✗ FAILED on jax: the run ended with 3: no memory" in notes(evidence)
    assert problems(evidence) == [
        "Endurance on jax: FAILED: the run ended with 3: no memory (data/endurance-jax.json)"
    ]


def test_a_backend_that_was_left_out_reads_not_run_and_is_a_problem() -> None:
    evidence = without("jax")
    assert shown(evidence, "jax") == ["jax", "not run", *["—"] * 7]
    assert row(endurance.verdicts(evidence), "jax")[1].tone == "absent"
    assert problems(evidence) == ["Endurance on jax: not run."]
    assert endurance.summary(evidence).endswith(" Not run on jax.")


def test_no_record_at_all_reads_not_run_and_is_no_problem() -> None:
    evidence = without(*samples.BACKENDS)
    assert [shown(evidence, name)[1] for name in samples.BACKENDS] == ["not run"] * 3
    assert endurance.summary(evidence) == "not run."
    assert problems(evidence) == notes(evidence) == []


def test_the_first_page_has_the_number_of_kills() -> None:
    assert endurance.summary(read()) == (
        "runs were killed and resumed (torch 9, tensorflow 9, jax 9 times); all of them ended with "
        "the bits of an undisturbed run."
    )


def test_runs_that_were_started_in_other_ways_are_told_apart() -> None:
    assert notes(read(options=[], seed=3)) == [
        "Runs on torch, tensorflow: --steps 60, seed 0",
        "Runs on jax: no options, seed 3",
    ]


def test_a_kind_of_kill_of_a_newer_version_has_a_column_of_its_own() -> None:
    evidence = read(kills={"step": 8, "power": 1})
    assert words(endurance.verdicts(evidence).columns[6].title) == "power"
    assert shown(evidence, "jax")[3:7] == ["0", "8", "0", "1"]
    assert shown(evidence, "torch")[3:7] == ["4", "3", "2", "0"]
