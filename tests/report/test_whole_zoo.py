from __future__ import annotations

import json
from typing import Any

from ranparity.models import zoo
from ranparity.parity import ablations
from ranparity.report import environments, page, records, whole_zoo
from ranparity.report.document import Bullets, Table
from tests.report import samples
from tests.report.test_structure import row, words

Files = samples.Files


def files() -> Files:
    return {f"data/zoo-{name}.json": _record(name) for name in samples.BACKENDS}


def _record(backend: str) -> bytes:
    content = samples.whole_zoo(backend)
    content["trainings"] = [samples.zoo_training(name) for name in ablations.names().values()]
    return samples.encoded(content)


def read(changed: Files | None = None) -> records.Evidence:
    return records.evidence(samples.reports() | files() | (changed or {}))


def with_row(part: str, model: str, **changes: Any) -> records.Evidence:
    """Evidence with one row of JAX changed; a key that is set to None is taken out."""
    path = "data/zoo-jax.json"
    content = json.loads(files()[path])
    for place, each in enumerate(content[part]):
        if each["model"] == model:
            changed = each | changes
            content[part][place] = {k: v for k, v in changed.items() if v is not None}
    return read({path: samples.encoded(content)})


def shown(table: Table, first: str) -> list[str]:
    return [words(cell.text) for cell in row(table, first)]


def problems(evidence: records.Evidence) -> list[str]:
    return [words(problem) for problem in whole_zoo.problems(evidence)]


def notes(evidence: records.Evidence) -> list[str]:
    blocks = whole_zoo.section(evidence).blocks
    return [words(item) for block in blocks if isinstance(block, Bullets) for item in block.items]


NET, DIED = "attention56-cifar", {"error": "killed by signal 9: no memory", "verdict": None}
VERDICT = "✓ PASS 0.5 + 1.5 + 2.0 s"
TRAINED = "✓ PASS 25.00 % in 30.0 s"


def test_every_net_and_training_has_a_row() -> None:
    evidence = read()
    table = whole_zoo.verdicts(evidence)
    assert len(table.rows) == len(zoo.ENTRIES)
    assert shown(table, "Attention-56-CIFAR") == [
        "Attention-56-CIFAR",
        "1,030,394",
        *[VERDICT] * 3,
        "0.0e+00",
    ]
    table = whole_zoo.trainings(evidence)
    assert len(table.rows) == len(ablations.names())
    assert shown(table, NET) == [NET, "22", "2.500", "1.500", *[TRAINED] * 3, "yes"]
    assert problems(evidence) == notes(evidence) == []
    every = len(ablations.names())
    assert whole_zoo.summary(evidence).startswith(
        f"passed on torch {len(zoo.ENTRIES)} of {len(zoo.ENTRIES)} nets and {every} of {every} "
        "short trainings, tensorflow "
    )


def test_logits_that_part_are_told_and_are_no_problem() -> None:
    evidence = with_row("nets", NET, logits="1 -4 0.25")
    assert shown(whole_zoo.verdicts(evidence), "Attention-56-CIFAR")[-1] == "6.2e-02"
    assert problems(evidence) == []


def test_other_weights_are_a_problem() -> None:
    evidence = with_row("nets", NET, initial_weights_digest="0" * 64)
    cell = row(whole_zoo.verdicts(evidence), "Attention-56-CIFAR")[-1]
    assert (words(cell.text), cell.tone) == ("other weights or images", "fail")
    assert problems(evidence) == [f"Zoo, {NET}: backends ran with other weights or images."]


def test_other_batches_of_a_training_are_a_problem() -> None:
    evidence = with_row("trainings", NET, tape_digest="0" * 64, last_loss=1.25)
    last = row(whole_zoo.trainings(evidence), NET)
    assert (words(last[-1].text), last[-1].tone) == ("no", "fail")
    assert words(last[3].text) == "1.250 to 1.500"
    assert problems(evidence) == [
        f"Zoo, {NET}: backends trained from other weights or on other batches."
    ]


def test_a_net_that_differs_or_is_wrong_fails() -> None:
    differs = with_row("nets", NET, differ=3, verdict="fail")
    assert shown(whole_zoo.verdicts(differs), "Attention-56-CIFAR")[4] == (
        "✗ FAIL 3 of 1,000 facts differ"
    )
    assert problems(differs) == [f"Zoo, {NET} on jax: 3 of 1,000 facts differ (data/zoo-jax.json)"]
    wrong = with_row("nets", NET, faults=["logits: not finite"], verdict="fail")
    assert problems(wrong) == [f"Zoo, {NET} on jax: logits: not finite (data/zoo-jax.json)"]
    assert notes(wrong) == [f"✗ FAILED on jax, {NET}: logits: not finite"]


def test_what_died_says_why_once() -> None:
    evidence = with_row("nets", NET, **DIED)
    assert shown(whole_zoo.verdicts(evidence), "Attention-56-CIFAR")[4] == "✗ FAILED why"
    assert notes(evidence) == [f"✗ FAILED on jax, {NET}: killed by signal 9: no memory"]
    assert problems(evidence) == [
        f"Zoo, {NET} on jax: FAILED: killed by signal 9: no memory (data/zoo-jax.json)"
    ]
    trained = with_row("trainings", NET, **DIED)
    assert shown(whole_zoo.trainings(trained), NET)[6] == "✗ FAILED why"
    assert len(problems(trained)) == 1


def test_a_net_that_was_left_out_reads_not_run_and_is_a_problem() -> None:
    content = json.loads(files()["data/zoo-jax.json"])
    content["nets"] = [each for each in content["nets"] if each["model"] != NET]
    evidence = read({"data/zoo-jax.json": samples.encoded(content)})
    assert shown(whole_zoo.verdicts(evidence), "Attention-56-CIFAR")[4] == "not run"
    assert problems(evidence) == [f"Zoo, {NET} on jax: not run (data/zoo-jax.json)"]


def test_a_backend_without_a_record_is_a_problem_where_others_have_one() -> None:
    some = records.evidence(samples.reports() | {"data/zoo-jax.json": _record("jax")})
    assert problems(some) == ["Zoo on torch: not run.", "Zoo on tensorflow: not run."]
    none = records.evidence(samples.reports())
    assert problems(none) == []
    assert whole_zoo.summary(none) == "not run."
    assert {words(cell.text) for cell in row(whole_zoo.verdicts(none), "Attention-56")[2:5]} == {
        "not run"
    }


def test_a_damaged_record_says_why() -> None:
    evidence = read({"data/zoo-jax.json": b"{"})
    (problem,) = problems(evidence)
    assert problem.startswith("Zoo on jax: FAILED: not JSON: ")


def test_it_is_on_the_page() -> None:
    evidence = with_row("nets", NET, **DIED)
    found = page.problems(evidence)
    assert any("Zoo, " in words(problem) for problem in found)
    sections = {section.name: section for section in page.document(evidence, found).sections}
    assert sections["zoo"] == whole_zoo.section(evidence)
    assert "directions" in sections
    assert "zoo, jax" in [place.record for place in environments.places(evidence)]
