"""`ranparity compare`: what it prints and writes, its exit status, and what it refuses."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ranparity import cli, run
from ranparity.models import zoo
from ranparity.report import comparison
from tests.programs import ROOT, ranparity
from tests.report import samples
from tests.report.run_folders import put, put_twin
from tests.report.test_compared import batch_of_step, other_loss
from tests.report.test_html import Reader
from tests.training.test_session import TINY


def call(*arguments: str | Path) -> int:
    return cli.main(["compare", *map(str, arguments)])


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return put(tmp_path / "a"), put(tmp_path / "b", "jax")


def table(out: str, first: str) -> list[str]:
    """The cells of the row of a printed table that begins with a word."""
    line = next(line for line in out.splitlines() if line.startswith(f"{first}  "))
    return re.split(r"\s{2,}", line.strip())[1:]


def test_the_tables_are_printed(two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*two) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("Runs compared: torch and jax\n\n✓ PASS ")
    assert re.findall(r"\n\n(.+)\n=+\n\n", out) == [
        "Recipe and data",
        "Where they ran",
        "The runs side by side",
        "Where they part",
    ]
    assert table(out, "Batches (tape)")[-1] == "✓ all 60 equal"
    assert table(out, "framework") == ["torch 1.0", "jax 1.0"]
    assert table(out, "torch and jax")[:2] == ["✓ equal", "✓ all 60 equal"]
    losses = [samples.steps(name)[9]["loss"] for name in ("torch", "jax")]
    assert table(out, "Loss, step 10")[:2] == [f"{loss:.6f}" for loss in losses]
    assert f"Loss, step {comparison.STEPS[-1]}" not in out
    assert "No twins given: `ranparity run --twin 1 ...` makes one." in out


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seed": 1}, "- the recipe or the data are not the same: seed"),
        ({"data": samples.DATA | {"digest": "e" * 64}}, "not the same: data.digest"),
        ({"initial_weights_digest": "0" * 64}, "the initial weights are not equal"),
        ({"step": batch_of_step(3)}, "the batches first differ at step 3"),
        ({"step": other_loss(0.5)}, "the losses first part beyond the twins at step 5"),
    ],
    ids=["recipe", "data", "weights", "batches", "losses"],
)
def test_what_differs_is_status_1_and_is_named(
    changes: dict[str, Any],
    problem: str,
    two: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    twin = put_twin(tmp_path / "twin", off=1e-5)
    other = put(tmp_path / "other", "jax", **changes)
    assert call(*two, "--twins", twin) == 0
    capsys.readouterr()
    assert call(two[0], other, twin) == 1
    out = capsys.readouterr().out
    assert "✗ FAIL Not the same:" in out
    assert problem in out


def test_losses_that_part_are_no_difference_where_there_are_no_twins(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    assert call(two[0], put(tmp_path / "other", "jax", step=other_loss(0.5))) == 0


def test_json_is_all_of_it(two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*two, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "same"
    assert [each["folder"] for each in found["runs"]] == [str(folder) for folder in two]
    (pair,) = found["pairs"]
    assert pair["first_step_of_other_loss"] == 1
    (two[1] / "run.json").write_bytes(samples.encoded(samples.run("jax") | {"seed": 1}))
    assert call(*two, "--json") == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "differs"


def test_the_page_is_written_whole_beside_what_is_printed(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    page.write_text("before")
    assert call(*two, "--html", page) == 0
    out, err = capsys.readouterr()
    assert err == f"Wrote {page}\n"
    reader = Reader(page.read_text())
    assert {"a/run.json", "b/run.json"} <= set(reader.attributes("href"))
    for words in ("Runs compared: torch and jax", "✓ all 60 equal", "Test accuracy", "No twins"):
        assert words in reader.text
        assert words in out
    assert sum(tag == "figure" for tag, _ in reader.tags) == 3
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["page.html"]


def test_a_page_that_cannot_be_written_is_a_line_and_nothing_is_left(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(tmp_path.iterdir())
    for page, reason in ((tmp_path / "no" / "p.html", "No such file"), (two[0], "is a directory")):
        assert call(*two, "--html", page) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"ranparity: --html {page}: cannot be written: ")
        assert reason in err
        assert err.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


def test_bad_input_writes_no_page(two: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("before")
    assert call(two[0], tmp_path / "gone", "--html", page) == 2
    assert page.read_text() == "before"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (("run.json", b"{"), "/run.json: expected the record of a run, not JSON"),
        (("run.json", b"{}"), ": expected the record of a finished run: expected a string as"),
        (("steps.jsonl", b"{\n"), ": expected the record of a finished run: steps.jsonl line 1"),
        (("steps.jsonl", b"\xff\n"), ": expected the record of a finished run: steps.jsonl line 1"),
        (("epochs.csv", b"a\n1\n"), ": expected the record of a finished run: epochs.csv row 1"),
    ],
    ids=["run.json", "empty run.json", "steps.jsonl", "bytes", "epochs.csv"],
)
def test_a_damaged_record_is_a_line_and_status_2(
    damage: tuple[str, bytes],
    message: str,
    two: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (two[1] / damage[0]).write_bytes(damage[1])
    assert call(*two) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"ranparity: {two[1]}{message}")


def test_too_few_runs_and_what_is_no_run_are_lines_and_status_2(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call() == call(two[0]) == 2
    assert capsys.readouterr().err == "".join(
        f"ranparity: compare: expected two runs or more that are no twins. Received: {n}\n"
        for n in (0, 1)
    )
    assert call(*two, tmp_path) == 2
    assert capsys.readouterr().err == (
        f"ranparity: {tmp_path}: expected a run directory, found no run.json in it\n"
    )


def test_the_readmes_command_works_from_a_checkout() -> None:
    runs = [f"reports/data/runs/report-{name}" for name in ("torch", "jax")]
    command = f"ranparity compare {' '.join(runs)}"
    assert f"\n{command}\n" in (ROOT / "README.md").read_text()
    done = ranparity("compare", *runs)
    assert (done.returncode, done.stderr) == (0, "")
    assert "✓ all 176 equal" in done.stdout


# Real ones.


def train(folder: Path, *options: str) -> Path:
    """Trains a tiny net for three steps, on torch, in this process."""
    what = ("--model", "tiny", "--backend", "torch", "--steps", "3", "--batch-size", "8")
    assert run.main([*what, "--quiet", "--out", str(folder), *options]) == 0
    return folder


def test_real_runs_and_their_twins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run again is the same to the last bit; what trains otherwise parts beyond the twins."""
    monkeypatch.setitem(zoo.ENTRIES, "tiny", replace(TINY, input_shape=(32, 32, 3)))
    first, again = train(tmp_path / "first"), train(tmp_path / "again")
    twins = [train(tmp_path / f"twin{n}", "--twin", str(n)) for n in (1, 2)]
    other = train(tmp_path / "other", "--learning-rate", "0.06")
    capsys.readouterr()

    assert call(first, again, *twins, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [twin["twin"] for twin in found["twins"]] == [1, 2]
    assert all(len(twin["of"]) == 2 for twin in found["twins"])
    (same,) = found["pairs"]
    assert set(same["distances"]) == {0.0}
    assert same["final_weights_equal"]
    assert 0 < same["twins_so_far"][-1] < 1e-2, "twins part, and by little"

    assert call(first, other, *twins, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["recipe"]["differences"]] == [
        "recipe.stages.1.learning_rate"
    ]
    (pair,) = found["pairs"]
    assert (pair["first_step_of_other_batch"], pair["initial_weights_equal"]) == (None, True)
    assert pair["first_step_of_other_loss"] == 2, "the first loss is before any update"
    assert pair["first_step_beyond_twins"] == 2
