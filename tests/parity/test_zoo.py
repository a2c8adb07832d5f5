"""A session of the zoo with stand-ins for its workers: what is written, resumed and refused."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ranparity.models.zoo import Entry
from ranparity.parity import nets, sessions
from ranparity.parity import zoo as session
from ranparity.parity.trainings import Job
from tests.parity.test_ablations import write
from tests.parity.test_nets import line
from tests.report import schemas

NAMES = ["attention56-cifar", "attention56-cifar-naive"]
SOURCE = "5" * 64  # as the sample's run has it


class Stage:
    """Stands in for the workers: what they do, and what they were asked."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, str]] = []
        self.trained: list[tuple[str, bool]] = []
        self.broken: set[str] = set()
        self.interrupt = ""

    def rows(self, entries: Sequence[Entry], backend: str, source: str) -> Iterator[dict[str, Any]]:
        for entry in entries:
            if entry.name == self.interrupt:
                raise KeyboardInterrupt
            self.ran.append((backend, entry.name))
            changes = {"logits": [[1.0]]} if entry.name in self.broken else {}
            yield nets.row(entry, line(entry, **changes), source)

    def carry_out(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, str]]:
        for job in jobs:
            folder, model = Path(job.name), job.command[job.command.index("--model") + 1]
            self.trained.append((folder.name, "--overwrite" in job.command))
            if model in self.broken:
                yield job, "ended with status 2: the loss is nan"
                continue
            write(session.Training(folder, job.backend, model))
            yield job, ""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    found = Stage()

    class Stand:
        environment = {"framework": "torch 1.0"}  # noqa: RUF012  (of one test)

        def rows(self, *arguments: Any) -> Iterator[dict[str, Any]]:
            return found.rows(*arguments)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "Found", Stand)
    monkeypatch.setattr(session, "carry_out", found.carry_out)
    monkeypatch.setattr(sessions, "source", lambda: SOURCE)
    return found


def start(*extra: str) -> int:
    return session.main(["--backends", "torch,jax", "--models", ",".join(NAMES), *extra])


def record(backend: str = "torch") -> dict[str, Any]:
    return dict(json.loads(Path(f"reports/data/zoo-{backend}.json").read_text()))


def test_every_net_and_training_is_in_the_record_of_each_backend(stage: Stage) -> None:
    assert start() == 0
    for backend in ("torch", "jax"):
        found = record(backend)
        assert schemas.refusals("zoo", found) == []
        assert next(iter(found.items())) == ("schema", 1)
        assert found["backend"] == backend
        assert found["environment"] == {"framework": "torch 1.0"}
        for part in ("nets", "trainings"):
            assert [row["model"] for row in found[part]] == NAMES
            assert {row["verdict"] for row in found[part]} == {"pass"}
    assert len(stage.ran) == len(stage.trained) == 4


def test_what_is_done_is_not_done_again(stage: Stage) -> None:
    start()
    first = record()
    stage.ran, stage.trained = [], []
    assert start() == 0
    assert stage.ran == stage.trained == []
    assert record() == first
    assert start("--again") == 0
    assert len(stage.ran) == 4
    assert [overwritten for _, overwritten in stage.trained] == [True] * 4


def test_another_source_or_prototxt_does_it_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    start()
    stage.ran = []
    other = property(lambda entry: "0" if "naive" in entry.name else "1")
    monkeypatch.setattr(Entry, "prototxt_digest", other)
    start()
    assert len(stage.ran) == 4
    stage.ran, stage.trained = [], []
    monkeypatch.setattr(sessions, "source", lambda: "6" * 64)
    start()
    assert len(stage.ran) == len(stage.trained) == 4


def test_a_session_that_was_ended_goes_on(stage: Stage) -> None:
    stage.interrupt = NAMES[1]
    with pytest.raises(KeyboardInterrupt):
        start()
    assert [row["model"] for row in record()["nets"]] == NAMES[:1]
    stage.ran, stage.interrupt = [], ""
    assert start() == 0
    assert stage.ran == [("torch", NAMES[1]), ("jax", NAMES[0]), ("jax", NAMES[1])]


def test_a_failure_is_a_row_and_the_exit_status(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.broken = {NAMES[1]}
    assert start() == 1
    found = record()
    assert [row.get("verdict") for row in found["nets"]] == ["pass", "fail"]
    assert found["trainings"][1]["error"] == "ended with status 2: the loss is nan"
    last = capsys.readouterr().err.splitlines()
    assert "torch: attention56-cifar-naive: ended with status 2: the loss is nan" in last
    assert last[-1].startswith("4 failures; records: ")
    stage.broken = set()
    assert start() == 1, "a net that fails, fails with this source; its training is tried again"
    assert record()["trainings"][1]["verdict"] == "pass"
    assert start("--again") == 0
    assert record()["nets"][1]["verdict"] == "pass"


def test_backends_that_begin_with_other_weights_fail(stage: Stage) -> None:
    start()
    path = Path("reports/data/zoo-jax.json")
    content = record("jax")
    content["nets"][0]["initial_weights_digest"] = "other"
    path.write_text(json.dumps(content))
    assert start() == 1
    assert stage.ran.count(("jax", NAMES[0])) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--models", "attention57"], "unknown model 'attention57': expected one of "),
        (["--models", "attention56@8"], "attention56@8: expected a net of the zoo, "),
        (["--backends", "caffe"], "--backends: expected one of torch, tensorflow, jax. "),
    ],
)
@pytest.mark.usefixtures("stage")
def test_bad_input_is_refused_at_once(options: list[str], message: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        session.main(options)
    assert str(caught.value).startswith(message)
    assert not Path("reports").exists()


@pytest.mark.usefixtures("stage")
def test_a_damaged_record_is_not_written_over() -> None:
    path = Path("reports/data/zoo-torch.json")
    path.parent.mkdir(parents=True)
    path.write_text('{"nets": []}')
    with pytest.raises(
        ValueError, match="expected the record of a zoo session: KeyError"
    ) as caught:
        start()
    assert str(caught.value) == (
        "reports/data/zoo-torch.json: expected the record of a zoo session: KeyError: 'trainings': "
        "move it away"
    )
    assert path.read_text() == '{"nets": []}'


def test_a_session_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["zoo", "--models", "attention57"])
    assert sessions.guarded(session.main) == 2
    said = capsys.readouterr().err
    assert said.startswith("ranparity: unknown model 'attention57'")
    assert said.count("\n") == 1

    def interrupted(_: Sequence[str]) -> int:
        raise KeyboardInterrupt

    assert sessions.guarded(interrupted) == 130
    assert capsys.readouterr().err == "ranparity: interrupted: the same command goes on\n"

    def terminated(_: Sequence[str]) -> int:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("it goes on")

    before = signal.getsignal(signal.SIGTERM)
    assert sessions.guarded(terminated) == 143
    assert capsys.readouterr().err == "ranparity: terminated\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_source_is_the_package(tmp_path: Path) -> None:
    assert len(sessions.source()) == 64
    assert sessions.source() != sessions.environment.source_digest(tmp_path)
