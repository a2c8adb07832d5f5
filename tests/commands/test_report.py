from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ranparity import cli
from ranparity.commands import report
from ranparity.models import zoo
from ranparity.report import render
from tests.report import samples

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
pytest_plugins = ["tests.report.stand_in"]
Files = dict[str, bytes]


def call(*arguments: str | Path) -> int:
    """Runs the command as the command line does; returns its exit status."""
    parser = argparse.ArgumentParser(prog="ranparity")
    report.add_parser(parser.add_subparsers())
    return cli.guarded(parser.parse_args(["report", *map(os.fspath, arguments)]))


def put(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def contents(folder: Path) -> Files:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(autouse=True)
def one_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zoo of one net, which is all that these tests need."""
    name = "attention56-cifar"
    monkeypatch.setattr(zoo, "ENTRIES", {name: zoo.ENTRIES[name]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reports folder whose records all pass, not rendered yet."""
    return put(tmp_path / "reports", samples.reports())


def test_records_are_rendered_beside_them_and_pass(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("--reports", folder) == 0
    assert contents(folder) == samples.reports() | render.render(samples.reports()).files
    assert capsys.readouterr().out == (
        f"Wrote {folder}/README.md and {folder}/index.html\n"
        "PASS: everything in the report has passed\n"
    )


def test_rendering_again_changes_nothing(folder: Path) -> None:
    call("--reports", folder)
    before = contents(folder)
    assert call("--reports", folder) == 0
    assert contents(folder) == before


def test_a_failure_in_the_records_is_status_1_and_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "data/check-jax.json").write_bytes(b"{")
    assert call("--reports", folder) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("  Structure on jax: FAILED: not JSON")
    assert lines[-1] == "FAIL"


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("data/check-jax.json", {"results": []}),
        ("data/check-jax.json", {"error": "killed"}),
        ("data/alterations.json", {"error": "killed"}),
        ("data/endurance-jax.json", {"error": "killed"}),
        ("data/endurance-jax.json", {"verdict": "differs", "differences": ["steps: 1 and 2"]}),
        ("data/runs/report-jax/run.json", {"test_accuracy": 0.94}),
        ("data/runs/report-jax/run.json", {"test_accuracy": None}),
        ("data/runs/report-jax/run.json", {"status": "running"}),
        ("data/runs/report-jax/run.json", {"initial_weights_digest": "0" * 64}),
    ],
)
def test_each_kind_of_failure_is_status_1(
    folder: Path, path: str, changes: dict[str, object]
) -> None:
    put(folder, {path: samples.spoilt(samples.reports(), path, **changes)[path]})
    assert call("--reports", folder) == 1


@pytest.mark.parametrize(
    "missing",
    ["check-jax.json", "alterations.json", "endurance-jax.json", "runs/report-jax/run.json"],
)
def test_what_is_missing_is_status_1(folder: Path, missing: str) -> None:
    (folder / "data" / missing).unlink()
    assert call("--reports", folder) == 1


def test_nothing_at_all_is_status_1_and_a_page_that_says_so(tmp_path: Path) -> None:
    assert call("--reports", tmp_path / "new") == 1
    assert "not run on any backend" in (tmp_path / "new/README.md").read_text()


def test_a_named_run_becomes_part_of_the_report(folder: Path, tmp_path: Path) -> None:
    files = samples.run_files("torch") | {"final.weights.h5": b"weights"}
    run = put(tmp_path / "runs/mine", files)
    assert call(run, "--reports", folder) == 0
    after = contents(folder)
    assert after["data/runs/mine/run.json"] == files["run.json"]
    assert "data/runs/mine/final.weights.h5" not in after
    assert "torch (mine)" in after["README.md"].decode()


def test_a_named_run_replaces_the_whole_record_of_its_name(folder: Path, tmp_path: Path) -> None:
    run = put(tmp_path / "report-jax", {"run.json": b'{"backend": "jax", "status": "running"}'})
    assert call(run, "--reports", folder) == 1
    there = {name for name in contents(folder) if name.startswith("data/runs/report-jax/")}
    assert there == {"data/runs/report-jax/run.json"}


def test_a_run_within_the_reports_folder_may_be_named(folder: Path) -> None:
    assert call(folder / "data/runs/report-jax", "--reports", folder) == 0


def test_a_named_run_that_is_no_json_is_one_line_and_changes_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = put(tmp_path / "bad", {"run.json": b"{"})
    before = contents(folder)
    assert call(run, "--reports", folder) == 2
    assert contents(folder) == before
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ranparity: {run}/run.json: expected the record of a run, not JSON: ")


def test_what_an_earlier_rendering_left_is_removed(folder: Path) -> None:
    put(folder, {"figures/old-loss.png": b"", "layers/Old.md": b"", "notes.md": b"mine"})
    call("--reports", folder)
    after = contents(folder)
    assert "figures/old-loss.png" not in after
    assert "layers/Old.md" not in after
    assert after["notes.md"] == b"mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backends", "jax"], "ranparity: --backends says where to --collect: give both, or "),
        (["--reports", "{file}"], "ranparity: --reports {file}: expected a folder, but "),
        (["--reports", "{file}/x"], "ranparity: --reports {file}/x: expected a folder, but "),
        (["{file}"], "ranparity: {file}: expected a run directory, found no run.json in it"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = put(tmp_path, {"file": b""}) / "file"
    assert call(*(argument.format(file=file) for argument in arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(message.format(file=file))


def test_an_unknown_backend_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        call("--collect", "--backends", "torch,mlx")
    assert caught.value.code == 2
    assert "expected some of torch, tensorflow, jax, found 'mlx'" in capsys.readouterr().err


Workers = Callable[[str], Callable[[], list[list[str]]]]


def test_collecting_fills_the_report_and_replaces_only_what_it_collected(
    folder: Path, workers: Workers, capsys: pytest.CaptureFixture[str]
) -> None:
    workers("jax=refuse")
    before = contents(folder)
    assert call("--reports", folder, "--collect", "--backends", "jax") == 1
    after = contents(folder)
    assert after["data/check-torch.json"] == before["data/check-torch.json"]
    assert b'"error": "no memory"' in after["data/check-jax.json"]
    assert "data/runs/report-jax/steps.jsonl" not in after
    captured = capsys.readouterr()
    assert "jax: FAILED: no memory" in captured.err
    assert "Training on jax: FAILED: ended with status 2: no memory" in captured.out


def test_collecting_leaves_other_runs_and_what_was_killed(folder: Path, workers: Workers) -> None:
    workers("")
    files = samples.run_files("torch")
    put(folder / "data/runs/cifar10-partial-torch", files)
    assert call("--reports", folder, "--collect", "--backends", "torch") == 0
    after = contents(folder)
    assert after["data/runs/cifar10-partial-torch/steps.jsonl"] == files["steps.jsonl"]
    endurance = "data/endurance-torch.json"
    assert after[endurance] == samples.reports()[endurance]
    readme = after["README.md"].decode()
    assert "torch (cifar10-partial-torch)" in readme
    assert "[bit for bit the same](data/endurance-torch.json)" in readme


@pytest.mark.parametrize(
    ("behaviour", "module"),
    [("torch/evidence=hang", "ranparity.parity.evidence"), ("torch/run=hang", "ranparity.run")],
)
def test_ctrl_c_leaves_the_report_as_it_was(
    folder: Path, workers: Workers, tmp_path: Path, behaviour: str, module: str
) -> None:
    workers(behaviour)
    before = contents(folder)
    arguments = ["--reports", os.fspath(folder), "--collect", "--backends", "torch"]
    with subprocess.Popen(
        [PYTHON, "-c", INTERRUPTED, *arguments],
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        wait_for(tmp_path / "started.jsonl", module)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all of them
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "ranparity: interrupted"
    assert contents(folder) == before


INTERRUPTED = """
import os, sys
from tests.commands.test_report import call
from tests.report.stand_in import shrink
shrink(setattr)
sys.executable = os.environ["RANPARITY_PYTHON"]
sys.exit(call(*sys.argv[1:]))
"""


def wait_for(path: Path, text: str) -> None:
    for _ in range(300):
        if path.is_file() and text in path.read_text():
            time.sleep(0.3)  # until it hangs
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} has not come to {text}")
