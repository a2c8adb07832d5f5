"""Plans that ask something, their record, and verdicts of accuracies that a stand-in reaches."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ranparity import cli
from ranparity.commands import matrix as command
from ranparity.errors import InputError
from ranparity.matrix import machine
from ranparity.matrix.session import Means
from ranparity.parity import equivalence, statistics
from tests.matrix import plans
from tests.matrix.stand_in import STARTED
from tests.report import schemas

BACKENDS = ("torch", "tensorflow", "jax")
PLAN = """
model = "resnet18-cifar@8"
backend = ["torch", "tensorflow", "jax"]
seed = [0, 1, 2, 3]

[statistics]
margin = 2.0

[planted.low-rate]
backend = "torch"
learning-rate = 0.001
"""


def design(folder: Path, text: str = PLAN) -> statistics.Design:
    path = folder / "asked.toml"
    path.write_text(text)
    return statistics.read(path, command.run_parser())


def accuracy(name: str) -> float:
    """What a run reaches: backends are a little apart, seeds more, and what is planted a lot."""
    seed, backend = int(name[-1]), next(each for each in BACKENDS if each in name)
    wobble = 0.002 * ((seed * 7 + len(backend)) % 5)
    return 0.9 + 0.01 * seed + wobble - 0.2 * ("low-rate" in name)


# What is asked.


def test_groups_and_families(tmp_path: Path) -> None:
    found = design(tmp_path)
    groups = [(group.backend, group.planted, list(group.runs)) for group in found.groups]
    seeds = [0, 1, 2, 3]
    assert groups == [
        ("torch", "", seeds),
        ("tensorflow", "", seeds),
        ("jax", "", seeds),
        ("torch", "low-rate", seeds),
    ]
    families = [
        [(one.backend, one.planted, other.backend, other.planted) for one, other in family]
        for family in found.families
    ]
    assert families == [
        [
            ("torch", "", "tensorflow", ""),
            ("torch", "", "jax", ""),
            ("tensorflow", "", "jax", ""),
        ],
        [("torch", "low-rate", "tensorflow", ""), ("torch", "low-rate", "jax", "")],
    ]
    assert (found.margin, found.level) == (2.0, 0.05)
    assert [run.name for run in found.beside] == [
        f"resnet18-cifar@8-digits-low-rate-torch-seed{seed}" for seed in seeds
    ]
    assert {run.settings["learning-rate"] for run in found.beside} == {0.001}


def test_without_a_backend_it_is_planted_on_each(tmp_path: Path) -> None:
    found = design(tmp_path, PLAN.replace('backend = "torch"\n', ""))
    assert [group.backend for group in found.groups] == [*BACKENDS, *BACKENDS]
    assert len(found.families[1]) == 6


def test_the_shipped_plan_asks_what_the_design_promises() -> None:
    found = statistics.read(statistics.PLAN, command.run_parser())
    assert len(found.seeds) >= 8
    assert {group.backend for group in found.groups if not group.planted} == set(BACKENDS)
    assert found.planted
    assert all(len(family) >= 2 for family in found.families)
    assert found.plan.settings["data"] == ["digits"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("margin = 2.0", "", "statistics.margin: expected a number above 0 and below 100. Rec"),
        ("margin = 2.0", "margin = 0", "statistics.margin: expected a number above 0 and below"),
        ("margin = 2.0", "margin = true", "statistics.margin: expected a number above 0 and bel"),
        ("margin = 2.0", "margin = 1\nlevel = 0.5", "statistics.level: expected a number above"),
        ("margin = 2.0", "margin = 1\nside = 2", "statistics.side: expected margin or level. Rec"),
        ("[0, 1, 2, 3]", "1", "seed: expected 2 or more to compare. Received: 1"),
        (
            '["torch", "tensorflow", "jax"]',
            '"jax"',
            "backend: expected 2 or more to compare. Received: 1",
        ),
        ('"resnet18-cifar@8"', '["resnet18-cifar@8", "resnet18-cifar"]', "model: expected one val"),
        ("learning-rate = 0.001", "seed = 3", "planted.low-rate: seed: expected one value, and t"),
        (
            "learning-rate = 0.001",
            "learning-rate = [1, 2]",
            "planted.low-rate: learning-rate: expected one value, and the plan's seeds. Received",
        ),
        ("learning-rate = 0.001", "rate = 1", "planted.low-rate: rate: expected one of model, "),
        ('[planted.low-rate]\nbackend = "torch"\n', "[planted]\n", "planted.learning-rate: expec"),
    ],
)
def test_a_plan_that_asks_nothing_is_a_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in PLAN
    with pytest.raises(InputError) as caught:
        design(tmp_path, PLAN.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path / 'asked.toml'}: {message}")


# What is written, and what follows.


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the plan, whose runs the stand-in carries out."""
    monkeypatch.chdir(tmp_path)
    real = command.means_of

    def means(arguments: argparse.Namespace) -> Means:
        return dataclasses.replace(real(arguments), program=plans.PROGRAM)

    monkeypatch.setattr(command, "means_of", means)
    monkeypatch.setattr(statistics, "datetime", Before)
    names = [run.name for run in (*design(tmp_path).plan.runs, *design(tmp_path).beside)]
    plans.tell(tmp_path, monkeypatch, accuracies={name: accuracy(name) for name in names})
    return tmp_path


class Before:
    """A clock of before the stand-in's runs began."""

    @staticmethod
    def now(_: Any) -> Any:
        from datetime import UTC, datetime

        return datetime(2026, 5, 4, tzinfo=UTC)


def call(*arguments: str) -> int:
    return cli.main(["statistics", "asked.toml", "--quiet", *arguments])


def record(path: str = "runs/asked/statistics.json") -> dict[str, Any]:
    text = Path(path).read_text()
    assert schemas.of_text("statistics", text) == []
    return dict(json.loads(text))


@pytest.mark.usefixtures("place")
def test_equal_backends_are_equivalent_and_what_is_planted_is_different(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call("--record", "reports/data") == 0
    found = record()
    assert found == record("reports/data/statistics.json")
    matrix = json.loads(Path("reports/data/matrix-asked.json").read_text())
    assert matrix == json.loads(Path("runs/asked/matrix.json").read_text())
    assert (found["margin"], found["level"], found["rule"]) == (2.0, 0.05, equivalence.RULE)
    assert found["fixed"] == "2026-05-04T00:00:00+00:00" < STARTED
    assert found["planted"] == {"low-rate": {"backend": "torch", "learning-rate": 0.001}}
    assert (found["seeds"], len(found["runs"]), found["failed"]) == ([0, 1, 2, 3], 16, [])
    told = [(c["planted"], c["one"], c["other"], c["verdict"]) for c in found["comparisons"]]
    assert told == [
        ("", "torch", "tensorflow", "equivalent"),
        ("", "torch", "jax", "equivalent"),
        ("", "tensorflow", "jax", "equivalent"),
        ("low-rate", "torch", "tensorflow", "different"),
        ("low-rate", "torch", "jax", "different"),
    ]
    out = capsys.readouterr().out
    assert "✓ equivalent" in out
    assert "2 points of percent" in out


@pytest.mark.usefixtures("place")
def test_the_figures_are_those_of_the_runs() -> None:
    call()
    found = record()
    reached = {(r["backend"], r["planted"], r["seed"]): r["accuracy"] for r in found["runs"]}
    family = found["comparisons"][:3]
    for each in family:
        pairs = [
            100 * (reached[each["one"], "", seed] - reached[each["other"], "", seed])
            for seed in found["seeds"]
        ]
        assert each["differences"] == pytest.approx(pairs)
        summed = equivalence.paired(pairs)
        assert (each["mean"], each["spread"]) == pytest.approx((summed.mean, summed.spread))
        assert each["p_equivalence"] == pytest.approx(equivalence.p_equivalence(summed, 2.0))
        assert each["p_difference"] == pytest.approx(equivalence.p_difference(summed))
        assert each["interval"] == pytest.approx(equivalence.interval(summed, 0.05))
        strict = equivalence.power(2.0, summed.error, 3, 0.05 / 3)
        assert each["power"] == pytest.approx(strict)
    for key in ("p_equivalence", "p_difference"):
        raw = [each[key] for each in family]
        adjusted = [each[f"{key}_adjusted"] for each in family]
        assert adjusted == pytest.approx(equivalence.holm(raw))


def test_what_is_not_as_it_must_be_is_the_exit_status(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One backend is worse, another is noisy, and what was planted does nothing."""
    names = [run.name for run in (*design(place).plan.runs, *design(place).beside)]
    noise = {0: 0.1, 1: -0.1, 2: 0.15, 3: -0.14}

    def reached(name: str) -> float:
        seed = int(name[-1])
        if "low-rate" in name or "torch" in name:
            return 0.8 + 0.001 * seed
        return 0.6 + 0.0013 * seed if "jax" in name else 0.8 + noise[seed]

    plans.tell(place, monkeypatch, accuracies={name: reached(name) for name in names})
    assert call() == 1
    told = {(c["planted"], c["one"], c["other"]): c["verdict"] for c in record()["comparisons"]}
    assert told["", "torch", "jax"] == "different"
    assert told["", "torch", "tensorflow"] == "inconclusive"
    assert told["low-rate", "torch", "tensorflow"] == "inconclusive"
    said = capsys.readouterr().err.splitlines()
    assert "ranparity: torch and jax: different" in said
    assert "ranparity: torch with low-rate and tensorflow: inconclusive" in said
    assert not [line for line in said if "low-rate and jax" in line], "it came out as it must"


@pytest.mark.usefixtures("place")
def test_what_is_asked_is_written_before_the_first_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(*_: Any) -> Any:
        seen.append(record())
        yield from ()

    monkeypatch.setattr(machine.Machine, "carry_out", look)
    assert call() == 1
    (found,) = seen
    assert (found["margin"], found["runs"], found["comparisons"]) == (2.0, [], [])
    assert found["fixed"]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("margin = 2.0", "margin = 3.0", "margin"),
        ("margin = 2.0", "margin = 2.0\nlevel = 0.1", "level"),
        ("[0, 1, 2, 3]", "[0, 1, 2, 3, 4]", "settings"),
        ("0.001", "0.002", "planted"),
    ],
)
def test_what_is_asked_cannot_be_changed_afterwards(
    place: Path, old: str, new: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call() == 0
    before = Path("runs/asked/statistics.json").read_bytes()
    (place / "asked.toml").write_text(PLAN.replace(old, new))
    assert call() == 2
    said = capsys.readouterr().err
    fixed = re.escape(f"runs/asked/statistics.json: expected the {key} that were fixed 2026-05-04")
    assert re.search(fixed, said)
    assert Path("runs/asked/statistics.json").read_bytes() == before


def test_runs_of_before_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever knows the results could fix any margin."""
    assert call() == 0
    (place / "runs/asked/statistics.json").unlink()
    assert call() == 2
    assert "runs/asked: expected no runs, for what is asked of them is fixed before" in (
        capsys.readouterr().err
    )


def test_a_run_that_failed_leaves_its_family_without_a_verdict(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "resnet18-cifar@8-digits-low-rate-torch-seed2"
    plans.tell(place, monkeypatch, {name: ["refuse"]})
    assert call() == 1
    found = record()
    assert len(found["comparisons"]) == 3
    assert found["failed"] == [
        f"{name}: ended with status 2: ranparity: --batch-size: expected 1 or more. Received: 0"
    ]
    assert f"ranparity: not trained: {name}" in capsys.readouterr().err
    plans.tell(place, monkeypatch, accuracies={name: 0.5})
    assert call() == 1, "started again it trains what is left"
    assert len(record()["comparisons"]) == 5


@pytest.mark.usefixtures("place")
def test_json_is_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--json") == 0
    assert json.loads(capsys.readouterr().out) == record()


@pytest.mark.usefixtures("place")
def test_an_end_by_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> Any:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(machine.Machine, "carry_out", interrupted)
    assert cli.main(["statistics", "asked.toml"]) == 130
    assert capsys.readouterr().err.splitlines()[0] == (
        "go on with: ranparity statistics asked.toml --out runs/asked"
    )
