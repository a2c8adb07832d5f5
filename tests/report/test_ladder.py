"""The sections on the ladder and on its judge: what passes, what does not, what is not there."""

from __future__ import annotations

from pathlib import Path

from ranparity.parity.ladder import planned
from ranparity.parity.ladder.faults import PLANTED
from ranparity.report import environments, judging, ladder, records
from ranparity.report.document import Figure, Paragraph, Section, Table
from ranparity.report.ladder_record import LADDER, OPINIONS, PROOF, QUICK
from tests.report import ladder_samples, samples
from tests.report.test_structure import words


def evidence(**files: bytes) -> records.Evidence:
    named = {LADDER: files.get("ladder"), PROOF: files.get("proof"), QUICK: files.get("quick")}
    named |= {OPINIONS: files.get("opinions")}
    given = {path: content for path, content in named.items() if content}
    return records.evidence(samples.reports() | given)


def tables(section: Section) -> list[list[list[str]]]:
    """What tables say of what was run: the samples have little of what sessions run."""
    return [
        [row for row in table if len(row) < 10 or row[3] != "not run"] for table in every(section)
    ]


def every(section: Section) -> list[list[list[str]]]:
    return [
        [[words(cell.text) for cell in row] for row in block.rows]
        for block in section.blocks
        if isinstance(block, Table)
    ]


def test_levels_are_shown_with_quantiles_and_free_runs_with_all_curves() -> None:
    found = evidence(ladder=ladder_samples.ladder())
    section = ladder.section(found)
    levels, pairs = tables(section)
    assert levels[0] == [
        *("attention56-cifar, 32x32, float32", "1 forward", "torch"),
        *("✓ PASS record", "2", "0.7", "0.60", "0.68", "0.70", "0"),
    ]
    assert [row[1] for row in levels] == ["1 forward", "2 gradient", "5 free run", "5 free run"]
    assert pairs[0][:2] == ["torch jax", "✓ PASS"]
    (figure,) = [block for block in section.blocks if isinstance(block, Figure)]
    assert "attention56-cifar on digits" in figure.alt
    assert figure.svg.count("twins of") == 2
    assert "mathdefault" not in figure.svg, "labels of axes are plain"
    assert list(ladder.problems(found)) == []
    assert ladder.summary(found) == "4 comparisons of tensors of 1 net; all levels pass."


def test_what_was_run_with_the_report_comes_first() -> None:
    bad = ladder_samples.ladder(ladder_samples.result(1, 777.0))
    found = evidence(ladder=ladder_samples.ladder(), quick=bad)
    first, _, second, _ = tables(ladder.section(found))
    assert first[0][1] == "1 forward"
    assert first[0][3] == "✗ FAIL first: layer0 record"
    assert [row[1] for row in second][:2] == ["1 forward", "2 gradient"]
    (problem,) = map(words, ladder.problems(found))
    assert problem == (
        "Ladder: attention56-cifar, level 1, float32, on torch: first layer0 "
        "(data/ladder-quick.json)"
    )
    assert ladder.summary(found) == "5 comparisons of tensors of 1 net; 1 level did not pass."
    alone = evidence(quick=b'{"error": "no backend is installed"}')
    (problem,) = map(words, ladder.problems(alone))
    assert problem == "Ladder: FAILED: no backend is installed (data/ladder-quick.json)"


def test_second_opinions_stand_beside_with_whom_nobody_asked() -> None:
    opencv = ladder_samples.result(1, 0.5, 777.0, backend="opencv")
    given = ladder_samples.ladder(opencv, excluded={"opencv": 'layer "n" (LRN): it takes 1'})
    found = evidence(ladder=ladder_samples.ladder(), opinions=given)
    section = ladder.section(found)
    assert tables(section)[2][0][1:4] == ["1 forward", "opencv", "✗ FAIL first: layer1 record"]
    said = [words(item) for block in section.blocks for item in getattr(block, "items", ())]
    assert 'attention56-cifar, float32: opencv is not asked: layer "n" (LRN): it takes 1.' in said
    (problem,) = map(words, ladder.problems(found))
    assert problem.endswith("on opencv: first layer1 (data/opinions.json)")


def test_what_a_session_runs_and_has_not_is_not_run_and_no_gap() -> None:
    """The sample has levels 1 and 2 on torch, and 5 on torch and jax, of one net alone."""
    found = evidence(ladder=ladder_samples.ladder(), quick=ladder_samples.ladder())
    section = ladder.section(found)
    quick, _, long, _ = every(section)
    assert [row[:4] for row in quick[4:]] == [
        ["attention56-cifar, float32", "3", "torch", "not run"],
        ["attention56-cifar, float32", "1, 2 and 3", "tensorflow", "not run"],
        ["attention56-cifar, float32", "1, 2 and 3", "jax", "not run"],
    ]
    missing = [row for row in long if row[3] == "not run"]
    assert [net for net in dict.fromkeys(row[0] for row in missing) if "56-cifar" not in net] == [
        *("dranet-cifar, float32", "dranet-cifar, float64"),
        *(f"{name}, float32" for name in planned.PUBLISHED),
    ]
    assert ["attention92, float32", "1, 2 and 3", "jax", "not run", *["—"] * 6] in missing
    first = next(block for block in section.blocks if isinstance(block, Table))
    assert [row[3].tone for row in first.rows] == ["pass"] * 4 + ["absent"] * 3
    assert list(ladder.problems(found)) == [], "sessions are long"


def test_a_net_on_two_devices_is_another_case() -> None:
    found = evidence(ladder=ladder_samples.ladder(failures={"jax": "killed"}, devices=2))
    section = ladder.section(found)
    rows = every(section)[0]
    assert rows[0][0] == "attention56-cifar, 32x32, float32, 2 devices"
    (failed,) = [row for row in rows if "FAILED" in row[3]]
    assert failed[0] == "attention56-cifar, float32, 2 devices"
    missing = [row[:3] for row in rows if row[3] == "not run" and row[0].startswith("attention56-")]
    assert ["attention56-cifar, float32", "1, 2, 3, 4 and 5", "torch"] in missing
    assert ["attention56-cifar, float32, 2 devices", "3 and 4", "torch"] in missing
    said = [words(item) for block in section.blocks for item in getattr(block, "items", ())]
    assert any(line.startswith("attention56-cifar, float32, 2 devices: 61 s") for line in said)


def test_published_nets_without_a_second_opinion_are_not_run() -> None:
    found = evidence(opinions=ladder_samples.ladder())
    rows = [row for row in every(ladder.section(found))[0] if row[3] == "not run"]
    assert len(rows) == 4 * 3
    assert rows[0][:3] == ["Attention-56.prototxt, float32", "1", "torch"]


def test_a_backend_that_died_is_a_row_that_failed() -> None:
    found = evidence(quick=ladder_samples.ladder(failures={"tensorflow": "killed by signal 9"}))
    (row,) = [row for row in every(ladder.section(found))[0] if row[2] == "tensorflow"]
    assert row[:4] == ["attention56-cifar, float32", "—", "tensorflow", "✗ FAILED why"]


def test_all_that_sessions_run_is_in_the_committed_records() -> None:
    committed = Path(__file__).parents[2] / "reports"
    found = records.evidence(records.load(committed))
    rows = [row for table in every(ladder.section(found)) for row in table]
    assert len(rows) > 100
    assert [row for row in rows if "not run" in row] == []


def test_what_differs_is_a_problem_with_its_first_tensor() -> None:
    found = evidence(ladder=ladder_samples.ladder(ladder_samples.result(2, 1.0, 777.0)))
    levels, _ = tables(ladder.section(found))
    assert levels[0][3] == "✗ FAIL first: layer1 record"
    assert [words(problem) for problem in ladder.problems(found)] == [
        "Ladder: attention56-cifar, level 2, float32, on torch: first layer1 (data/ladder.json)"
    ]
    assert "1 level did not pass" in ladder.summary(found)


def test_a_backend_that_died_is_a_problem() -> None:
    found = evidence(ladder=ladder_samples.ladder(failures={"jax": "killed by signal 9"}))
    said = [words(problem) for problem in ladder.problems(found)]
    assert said == [
        "Ladder: FAILED: attention56-cifar, float32 on jax: killed by signal 9 (data/ladder.json)"
    ]


def test_no_record_is_told_and_a_damaged_one_is_a_problem() -> None:
    none = evidence()
    for part in (ladder, judging):
        assert list(part.problems(none)) == []
        assert part.summary(none) == "not run."
        last = part.section(none).blocks[-1]
        assert isinstance(last, Paragraph)
        assert words(last.text) == "not run."
        damaged = evidence(ladder=b"{", proof=b"{")
        assert len(list(part.problems(damaged))) == 1
        assert part.summary(damaged) == "not run."


def test_the_matrix_has_every_fault_and_says_what_was_caught_where() -> None:
    found = evidence(proof=ladder_samples.proof())
    section = judging.section(found)
    halves, matrix = tables(section)
    assert halves[0][1:] == ["✓ PASS", "1", "0", "1", "0.9", "3.5"]
    assert halves[1][1] == "not run"
    assert [row[0] for row in matrix] == list(PLANTED)
    rows = {row[0]: row[1:-1] for row in matrix}
    assert rows["bn-eps"] == ["1 of 1 caught", "0 of 1", "1 of 1, 5e+03", "—", "—", "—", "1 of 1"]
    assert rows["bn-eps-barely"][0] == "below rounding; 0 of 1 caught"
    assert rows["bn-momentum"][0] == "not run"
    (figure,) = [block for block in section.blocks if isinstance(block, Figure)]
    assert "mathdefault" not in figure.svg
    assert "clean, first half: 1 from 0.9 to 0.9; planted faults: 1 from 5e+03" in figure.alt
    assert list(judging.problems(found)) == []
    assert judging.summary(found) == (
        "1 clean comparison raised 0 alarms; of 1 fault, planted 1 times, 1 were caught."
    )


def test_alarms_and_faults_that_were_missed_speak_against_the_judge() -> None:
    alarm = ladder_samples.trial()
    alarm["levels"]["2"] |= {"verdict": "fail", "worst_rho": 150.0}
    missed = ladder_samples.trial("bn-eps", caught=[], right_layer=None)
    missed["levels"]["2"] |= {"verdict": "pass"}
    elsewhere = ladder_samples.trial("bn-eps", right_layer=False)
    error = ladder_samples.trial(error="it died")
    found = evidence(proof=ladder_samples.proof(alarm, missed, elsewhere, error))
    assert [words(problem) for problem in judging.problems(found)] == [
        f"The ladder's judge: resnet18-cifar@8 on torch, {what} (data/ladder-proof.json)"
        for what in (
            "clean: an alarm at level 2",
            "bn-eps: not caught",
            "bn-eps: caught at another layer",
            "clean: it died",
        )
    ]
    halves, matrix = tables(judging.section(found))
    assert halves[0][1] == "✗ FAIL"
    assert {row[0]: row[1] for row in matrix}["bn-eps"] == "1 of 2 caught"


def test_where_it_ran_is_told() -> None:
    found = evidence(ladder=ladder_samples.ladder(), proof=ladder_samples.proof())
    names = [place.record for place in environments.places(found)]
    assert {"ladder, torch", "ladder's judge, torch"} <= set(names)
