"""`ranparity matrix`: its table, its JSON, its exit status, and what it refuses."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from pathlib import Path

import pytest

from ranparity import cli
from ranparity.commands import matrix
from ranparity.matrix import machine
from ranparity.matrix.session import Means
from tests.matrix.plans import NAMES, PROGRAM, TWO, tell
from tests.report import schemas

FIRST, SECOND = NAMES


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plan in the working folder, whose runs the stand-in carries out."""
    monkeypatch.chdir(tmp_path)
    real = matrix.means_of

    def means(arguments: argparse.Namespace) -> Means:
        return dataclasses.replace(real(arguments), program=PROGRAM)

    monkeypatch.setattr(matrix, "means_of", means)
    path = Path("two.toml")
    path.write_text(TWO)
    return path


def call(*arguments: str | Path) -> int:
    return cli.main(["matrix", *map(str, arguments)])


def test_a_table_at_the_end(
    plan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(plan.parent, monkeypatch)
    assert call(plan, "--jobs", "1", "--quiet") == 0
    out, err = capsys.readouterr()
    assert err == ""
    rows = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
    assert rows[0] == ["run", "accuracy", "loss", "seconds", "status", "tries", "record"]
    assert rows[2] == [FIRST, "90.00%", "0.2500", "2.0", "finished", "1", f"runs/two/{FIRST}"]
    assert rows[3][0] == SECOND
    assert len(rows) == 4


def test_json_is_the_record(
    plan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(plan.parent, monkeypatch)
    assert call(plan, "--json", "--quiet", "--out", "here") == 0
    out = capsys.readouterr().out
    assert json.loads(out) == json.loads(Path("here/matrix.json").read_text())
    assert schemas.of_text("matrix", out) == []


def test_a_run_that_failed_is_the_exit_status(
    plan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(plan.parent, monkeypatch, {FIRST: ["refuse"]})
    assert call(plan) == 1
    out, err = capsys.readouterr()
    assert re.search(rf"{FIRST} +failed +1 ", out)
    assert f"{FIRST}: FAILED: ended with status 2: ranparity: --batch-size" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.toml"], "no.toml: cannot read the plan: No such file or directory"),
        (["two.toml", "--jobs", "0"], "--jobs: expected 1 or more. Received: 0"),
        (["two.toml", "--processors", "2"], "--processors says what a run has with --ray"),
        (
            ["two.toml", "--processors", "0", "--ray", "auto"],
            "--processors: expected 1 or more. Received: 0",
        ),
    ],
)
@pytest.mark.usefixtures("plan")
def test_what_it_cannot_do_is_a_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"ranparity: {message}")
    assert err.count("\n") == 1
    assert out == ""
    assert not Path("runs").exists()


def test_a_launcher_starts_no_matrices(
    plan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of its runs would take part in one training with those of the other matrices."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert call(plan) == 2
    said = capsys.readouterr().err
    assert said.startswith("ranparity: torchrun has started this command 2 times, which would be")
    assert not Path("runs").exists()


def test_an_end_by_ctrl_c_says_how_to_go_on(
    plan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(machine.Machine, "carry_out", interrupted)
    assert call(plan, "--out", "my runs") == 130
    assert capsys.readouterr().err.splitlines() == [
        "go on with: ranparity matrix two.toml --out 'my runs'",
        "ranparity: interrupted",
    ]


def test_the_plan_of_the_help_is_one(tmp_path: Path) -> None:
    """The plan that the help shows can be read."""
    from ranparity.matrix import plan as plans

    text = re.search(r"\n\n((?:    .+\n)+)", matrix.EPILOG)
    assert text
    (tmp_path / "shown.toml").write_text(re.sub("^    ", "", text[1], flags=re.MULTILINE))
    found = plans.read(tmp_path / "shown.toml", matrix.run_parser())
    assert len(found.runs) == 2 * 3 * 4 * 2
