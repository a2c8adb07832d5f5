"""`ranparity ladder`: what it asks for, what it refuses, what it prints."""

from __future__ import annotations

import argparse
import json
from typing import Any

import pytest

from ranparity import cli
from ranparity.commands import ladder
from ranparity.parity.ladder import free_run, rounding, run
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.decisions import Differing
from ranparity.parity.ladder.judge import Difference, Result
from ranparity.parity.ladder.rounding import Row
from ranparity.parity.ladder.run import Found
from tests.report import schemas


@pytest.mark.parametrize(
    ("text", "found"),
    [("1-5", (1, 2, 3, 4, 5)), ("2", (2,)), ("5,1-2", (1, 2, 5)), ("3-3", (3,))],
)
def test_levels_are_read(text: str, found: tuple[int, ...]) -> None:
    assert ladder.levels(text) == found


@pytest.mark.parametrize("text", ["", "0", "6", "1-6", "3-2", "a", "1-", "-1", "1,,2"])
def test_other_levels_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected levels"):
        ladder.levels(text)


MINE = "mine.nets:build"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nothing"], "unknown model 'nothing': expected one of"),
        (["--backends", "torch,none"], "--backends: expected one of torch, tensorflow, jax"),
        (["--backends", "jax,jax"], "--backends: expected each once. Received: 'jax,jax'"),
        (["--batch-size", "0"], "--batch-size: expected 1 or more. Received: 0"),
        (["--steps", "1"], "--steps: expected 2 or more. Received: 1"),
        (["--twins", "0"], "--twins: expected 1 or more for level 5. Received: 0"),
        (["--seed", "-1"], "--seed: expected 0 or more. Received: -1"),
        (
            ["--precision", "bfloat16", "--levels", "4-5"],
            "--levels: expected some of 1 to 4 in bfloat16: a twin that begins a unit of it off",
        ),
        (["--devices", "0"], "--devices: expected 1 or more. Received: 0"),
        (
            ["--devices", "3"],
            "--devices: expected a number that divides the batch of 8 images",
        ),
        (["--devices", "2", "--levels", "1-2"], "--devices: several devices share the steps of"),
        ([MINE, "--devices", "2"], "--devices: expected a net with a prototxt"),
        (["--backends", "jax"], "--levels: level 5 holds backends against each other"),
        (["--arbiter", "torch"], "--arbiter: attention56-cifar has a prototxt, which is executed"),
        ([MINE, "--arbiter", "none"], "--arbiter: expected one of torch, tensorflow, jax"),
        ([MINE, "--size", "32"], f"--size: expected a net with a prototxt, and {MINE} has none"),
        ([MINE, "--repro", "here"], "--repro: expected a net with a prototxt"),
        ([MINE, "--against", "opencv"], "--against: expected a net with a prototxt"),
        ([MINE, "--respect-frozen"], "--respect-frozen: expected a net with a prototxt"),
        ([MINE, "--data-format", "channels_first"], "--data-format: expected a net with a proto"),
        (["a.9:build"], "or MODULE:FUNCTION such as my_package.my_module:build_model. Received"),
        (["a.b:c d"], "or MODULE:FUNCTION such as my_package.my_module:build_model. Received"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["ladder", *arguments]) == 2
    shown = capsys.readouterr().err
    assert line in shown
    assert shown.count("\n") == 1


def test_a_launcher_starts_no_ladders(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The backends' processes would wait for those of the other ladders."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert cli.main(["ladder"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("ranparity: torchrun has started this command 2 times, which would be")


class Told:
    """Stands for the ladder: keeps what it is asked, and finds what it is given."""

    cases: list[Case]

    def __init__(self, found: Found) -> None:
        self.found, self.cases = found, []

    def __call__(self, *_: Any, **__: Any) -> Told:
        return self

    def run(self, case: Case) -> Found:
        self.cases.append(case)
        self.found.case = case
        return self.found


def found(*rows: Row, **fields: Any) -> Found:
    result = Result(CASE, "torch", 2, [Row("blob/a", rounding.IDENTICAL, rho=0.0), *rows], **fields)
    return Found(CASE, [result], seconds={"all": 12.0}, peak_memory={"torch": 1 << 30})


CASE = Case("attention56-cifar", (32, 32), 8)


def test_defaults_are_all_levels_of_small_nets_and_three_of_large_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Told(found())
    monkeypatch.setattr(run, "Ladder", told)
    assert cli.main(["ladder"]) == 0
    assert cli.main(["ladder", "attention56", "--batch-size", "3"]) == 0
    assert cli.main(["ladder", "resnet18@8", "--size", "48", "--levels", "2"]) == 0
    assert cli.main(["ladder", "--precision", "float16"]) == 0
    small, large, narrow, mixed = told.cases
    assert mixed.levels == (1, 2, 3, 4)
    assert (small.model, small.levels, small.batch_size) == (ladder.MODEL, (1, 2, 3, 4, 5), 8)
    assert (large.size, large.levels, large.batch_size) == ((224, 224), (1, 2, 3), 3)
    assert (narrow.size, narrow.levels, narrow.batch_size) == ((48, 48), (2,), 8)
    assert "attention56-cifar at 32x32, batch 8, float32, seed 0: PASS" in capsys.readouterr().out


def test_devices_share_steps_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Told(found())
    monkeypatch.setattr(run, "Ladder", told)
    assert cli.main(["ladder", "--devices", "4", "--levels", "3-4"]) == 0
    (case,) = told.cases
    assert (case.devices, case.levels) == (4, (3, 4))
    assert "at 32x32, batch 8, 4 devices, float32, seed 0: PASS" in capsys.readouterr().out


def test_what_differs_is_told_with_its_layer_and_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Row("gradient/b/weight", rounding.DIFFERS, rho=512.5, worst=(1, 2), found=1.5, expected=2)
    first = Difference(
        "gradient/b/weight", "b", "Convolution", {"pad": "1x1"}, ("a",), True, ("c",)
    )
    turned = [Differing("relu", 3, 100, 7000.0), Differing("pool", 1, 9, 0.5)]
    monkeypatch.setattr(run, "Ladder", Told(found(bad, first=first, differing=turned)))
    assert cli.main(["ladder"]) == 1
    shown = capsys.readouterr().out
    assert "FAIL" in shown
    assert (
        "first to differ is gradient/b/weight (Convolution pad=1x1; reads a, which agree)" in shown
    )
    assert "gradients behind it agree: look at c" in shown
    assert "rho 512" in shown
    assert "at (1, 2): 1.5 for 2" in shown
    assert "relu decides otherwise at 3 of 100 places, by up to 7e+03 times" in shown
    assert "pool decides" not in shown
    assert "12 s; peak memory in GiB: torch 1.0" in shown


def test_runs_of_which_nothing_can_be_said_do_not_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = free_run.Pair(("torch", "jax"), [0.0, 9.0], [9.0], [1.0, 1.0], [1.0], horizon=1)
    runs = {"factor": 30.0, "pairs": [pair.to_json()], "verdicts": free_run.verdicts([pair])}
    told = found()
    told.runs = runs
    monkeypatch.setattr(run, "Ladder", Told(told))
    assert cli.main(["ladder"]) == 1
    shown = capsys.readouterr().out
    assert (
        "level 5: torch and jax: not comparable: twins are too far apart after the first" in shown
    )
    assert "level 5 on jax: fail" in shown


def test_json_has_a_list_of_results_with_every_tensor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    far = Row("loss", rounding.DIFFERS, rho=float("inf"), found=1.0, expected=0.0)
    monkeypatch.setattr(run, "Ladder", Told(found(far, first=Difference("loss"))))
    assert cli.main(["ladder", "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    (result,) = content["results"]
    assert content["schema"] == 1
    assert schemas.refusals("ladder", result, "result") == []
    assert result["worst_rho"] == "inf"
    assert result["first_difference"] == "loss"
    assert {"model", "backend", "level", "precision", "tensors", "median_rho", "verdict"} <= set(
        result
    )
    assert [row["tensor"] for row in result["rows"]] == ["blob/a", "loss"]
    assert content["cases"][0]["verdict"] == "fail"


def test_a_model_of_ones_own_is_asked_for_by_its_function(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Told(found())
    told.found.arbiter = "tensorflow, float64"
    monkeypatch.setattr(run, "Ladder", told)
    assert cli.main(["ladder", MINE]) == 0
    (case,) = told.cases
    assert (case.model, case.size, case.batch_size) == (MINE, (), 8)
    assert case.imported
    assert case.levels == (1, 2, 3, 4, 5)
    shown = capsys.readouterr().out
    assert f"{MINE}, batch 8, float32, seed 0: PASS; arbiter: tensorflow, float64" in shown
    assert "the fault may be its own" not in shown


@pytest.mark.parametrize(("apart", "said"), [(("torch", "jax"), True), (("jax",), False)])
def test_the_arbiter_is_suspected_where_all_others_differ_from_it(
    apart: tuple[str, ...],
    said: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = Row("blob/a", rounding.DIFFERS, rho=500.0, worst=(0,), found=1.0, expected=2.0)
    results = [
        Result(CASE, name, 1, [bad], first=Difference("blob/a") if name in apart else None)
        for name in ("torch", "tensorflow", "jax")
    ]
    one = Found(CASE, results, seconds={"all": 1.0}, arbiter="tensorflow, float64")
    monkeypatch.setattr(run, "Ladder", Told(one))
    assert cli.main(["ladder", MINE]) == 1
    line = "all but tensorflow differ, and tensorflow's float64 is the arbiter"
    assert (line in capsys.readouterr().out) is said
