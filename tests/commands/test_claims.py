from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ranparity import cli
from ranparity.claims import ledger
from ranparity.commands import claims
from ranparity.report import claim_lines, claim_status, store
from ranparity.report.direction_record import DIRECTIONS
from tests.report import samples
from tests.report.test_direction_record import experiment

BOOK = ledger.load()


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Records of checks, of trainings that no claim is about, and of one direction."""
    folder = tmp_path / "reports"
    directions = {DIRECTIONS: json.dumps({"experiments": [experiment()]}).encode()}
    store.write(folder, samples.reports() | directions)
    return folder


def run(*words: object) -> int:
    return cli.main(["claims", *map(str, words)])


def printed(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert run(*words) == 0
    return capsys.readouterr().out


def parsed(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    return json.loads(printed(capsys, "--json", *words))


def test_all_of_it_fits_a_terminal(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--reports", reports)
    assert max(map(len, text.splitlines())) <= claim_lines.WIDTH
    for claim in BOOK.claims:
        assert f"  {claim.id} " in text
    for each in BOOK.contradictions:
        assert f"  {each.id}: " in text
    for source in BOOK.sources:
        assert f"{source.name}: " in text
    assert claim_status.SMALL_SCALE in text
    assert (
        "\n    error of naive less error of residual, points (above 0 if residual is better):"
        in text
    )
    assert f" {len(BOOK.directions) - 1} not run; " in text.replace("\n  ", " ")


def test_a_row(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--reports", reports, "--net", "attention56", "--status", "reproduced")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "paper-t2-56-parameters Attention-56 31.9 M 31,883,432 -0.05 % reproduced" in lines
    assert (
        "paper-t2-56-parameters (agrees: with BN statistics): 31,810,728 trainable, 31,883,432"
        in (" ".join(lines))
    )
    assert lines[-2].startswith("2 claims: 2 reproduced; ")


def test_details_have_the_command_and_the_margin(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, "--reports", reports, "--id", "xh2510-noise-56-30")
    joined = " ".join(text.split())
    assert f"$ {BOOK.claim('xh2510-noise-56-30').command}" in text
    assert "not as the source: the recipe is the other group's" in joined
    assert "judged by: within 0.3 points; " in joined
    assert "1 claim: 1 not run." in text


def test_a_training_that_does_not_count_says_why(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, "--reports", reports, "--id", "paper-t1-mixed")
    assert "does not count: data/runs/report-jax/run.json: on digits" in text


def test_json_has_all_of_it(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = parsed(capsys, "--reports", reports)
    assert [each["id"] for each in found["claims"]] == [claim.id for claim in BOOK.claims]
    by_id = {each["id"]: each for each in found["claims"]}
    count = by_id["paper-t2-56-parameters"]
    assert (count["status"], count["here"], count["reading"]) == (
        "reproduced",
        31_883_432,
        "with BN statistics",
    )
    assert {each["path"] for each in count["records"]} == {
        f"data/check-{name}.json" for name in samples.BACKENDS
    }
    assert count["difference"] == pytest.approx(-16_568)
    error = by_id["paper-t6-452-cifar100"]
    assert (error["source"], error["where"], error["net"], error["data"], error["measure"]) == (
        "paper",
        "Table 6",
        "attention452-cifar",
        "cifar100",
        "test-error",
    )
    assert (error["value"], error["status"], error["contradictions"]) == (
        "20.45",
        "not run",
        ["cifar100-452"],
    )
    assert error["command"].startswith("ranparity run --model attention452-cifar ")
    assert error["faults"]
    assert sum(found["statuses"].values()) == len(BOOK.claims)
    others = ["not run"] * (len(BOOK.directions) - 1)
    assert [each["status"] for each in found["directions"]] == ["holds", *others]
    assert found["directions"][0]["record"]["per_seed"] == [1.5, 0.5, 1.0]
    assert found["directions"][0]["scale"] == claim_status.SMALL_SCALE
    assert {each["id"] for each in found["contradictions"]} >= {"cifar100-452", "xh2510-copied"}
    assert found["measures"][0]["margin"] == 0.3


def test_a_run_directory_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "runs" / "mine"
    store.write(folder, samples.run_files("torch"))
    (tmp_path / "empty").mkdir()
    (found,) = parsed(capsys, folder, "--reports", tmp_path / "empty", "--id", "paper-t1-mixed")[
        "claims"
    ]
    assert found["passed_over"] == {f"{folder}/run.json": "on digits"}


def test_a_named_run_takes_the_place_of_one_of_its_name_whole(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "report-jax"
    store.write(folder, {"run.json": samples.run_files("jax")["run.json"]})
    (found,) = parsed(capsys, folder, "--reports", reports, "--id", "paper-t1-mixed")["claims"]
    assert set(found["passed_over"]) == {
        f"data/runs/report-{name}/run.json" for name in ("torch", "tensorflow")
    }


def test_filters(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = parsed(capsys, "--reports", reports, "--source", "rescon", "--status", "cannot-be-run")
    assert [each["id"] for each in found["claims"]] == ["rescon-92-224-parameters"]
    assert found["directions"] == []
    holding = parsed(capsys, "--reports", reports, "--status", "holds")
    assert (holding["claims"], len(holding["directions"])) == ([], 1)
    assert "no claims; 1 of direction: 1 holds." in printed(
        capsys, "--reports", reports, "--status", "holds"
    )


def test_the_statuses_of_the_option_are_those_that_there_are() -> None:
    known = {*claim_status.STATUSES, *claim_status.TRENDS}
    assert {status.replace("-", " ") for status in claims.STATUSES} == known


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reports", "nowhere"], "--reports nowhere: expected a folder, found none"),
        (["--id", "x"], "--id: expected an id as the table has it. Received: 'x'"),
        (["absent"], "absent: expected a run directory, found no run.json in it"),
    ],
)
def test_bad_input_is_told_in_one_line(
    options: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*options) == 2
    assert capsys.readouterr().err == f"ranparity: {message}\n"


def test_without_a_reports_folder_nothing_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = parsed(capsys)
    assert set(found["statuses"]) == {"not run", "cannot be run", "nothing published"}
