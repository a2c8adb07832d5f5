from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.commands.matrix import run_parser
from ranparity.errors import InputError
from ranparity.matrix import plan
from tests.matrix.plans import read

WHOLE = """
model = ["attention56-cifar@4", "resnet18-cifar@8"]
data = "digits"
backend = ["torch", "jax"]
seed = [0, 7]
epochs = 5
label-noise = [0, 0.2]
flip = true
remat = false
schedule = "100:0.1"
"""


def test_there_is_a_run_for_every_combination(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    assert found.name == "two"
    assert len(found.runs) == 16
    combinations = itertools.product(
        (0, 7), ("attention56-cifar@4", "resnet18-cifar@8"), (0, 0.2), ("torch", "jax")
    )
    keys = ("seed", "model", "label-noise", "backend")
    assert [tuple(run.settings[key] for key in keys) for run in found.runs] == list(combinations)
    assert len({run.name for run in found.runs}) == 16
    assert all(run.settings["epochs"] == 5 for run in found.runs)
    assert {run.backend for run in found.runs} == {"torch", "jax"}


def test_a_run_has_a_name_and_arguments_that_ranparity_run_takes(tmp_path: Path) -> None:
    run = read(tmp_path, WHOLE).runs[-1]
    assert run.name == "resnet18-cifar@8-digits-label-noise=0.2-jax-seed7"
    args = run_parser().parse_args(run.arguments)
    assert (args.model, args.data, args.backend, args.seed) == (
        "resnet18-cifar@8",
        "digits",
        "jax",
        7,
    )
    assert (args.epochs, args.label_noise, args.schedule) == ("5", "0.2", "100:0.1")
    assert (args.flip, args.remat, args.shift) == (True, False, None)


def test_what_a_plan_does_not_say_is_as_ranparity_run_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    (run,) = read(tmp_path, "").runs
    assert run.name == "attention56-cifar-digits-jax-seed0"


def test_a_switch_can_be_taken_away(tmp_path: Path) -> None:
    runs = read(tmp_path, "flip = [true, false]").runs
    assert [run_parser().parse_args(run.arguments).flip for run in runs] == [True, False]
    assert [run.name.split("-")[-3] for run in runs] == ["flip=True", "flip=False"]


def test_paths_are_whole_so_that_any_folder_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for label in ("train", "val"):
        (tmp_path / "pictures" / label / "cat").mkdir(parents=True)
    (run,) = read(tmp_path, 'data = "folder:pictures"\nweights = "a/b.weights.h5"').runs
    args = run_parser().parse_args(run.arguments)
    assert args.data == f"folder:{tmp_path / 'pictures'}"
    assert args.weights == tmp_path / "a/b.weights.h5"
    assert run.name.startswith("attention56-cifar-pictures-")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a =", "expected TOML: Invalid value (at end of document)"),
        ("colour = 1", "colour: expected one of model, data, "),
        ('out = "x"', "out: expected one of model, "),
        ("[statistics]\nmargin = 1", "statistics: expected one of model, "),
        ("seed = []", "seed: expected one value or more, each once. Received: []"),
        ("seed = [1, 2, 1]", "seed: expected one value or more, each once. Received: [1, 2, 1]"),
        ("seed = 1.5", "seed: expected a whole number. Received: 1.5"),
        ("seed = true", "seed: expected a whole number. Received: true"),
        ("seed = -1", "seed: expected 0 to 2^64 - 1. Received: -1"),
        ("twin = 0", "twin: expected 1 or more. Received: 0"),
        ("checkpoint-every = 0", "checkpoint-every: expected 1 or more. Received: 0"),
        ("flip = 1", "flip: expected true or false. Received: 1"),
        ("weights = 3", "weights: expected a text. Received: 3"),
        ("epochs = 2020-01-01", "epochs: expected a text or a number. Received: datetime.date"),
        ("epochs = 0", "epochs: expected a whole number, 1 or more, or none. Received: 0"),
        ('model = "x"', "model: unknown model 'x': expected one of attention56, "),
        ('backend = "caffe"', 'backend: expected one of torch, tensorflow, jax. Received: "caffe"'),
        ('recipe = "none"', "recipe: expected one of digits, "),
        ('data = "nowhere"', "data: expected one of digits, "),
        ('precision = "float8"', "precision: expected one of float32, float64"),
        ("learning-rate = -1", "learning-rate: expected a finite number above 0. Received: -1"),
        ('schedule = "9:1,3:2"', "schedule: expected STEP:FACTOR"),
        (
            'backend = "jax"\nrecipe = "dranet"',
            "attention56-cifar-digits-dranet-jax-seed0: recipe dranet, stage features: expected a "
            "part of attention56-cifar, which has whole. Received: features",
        ),
        ('schedule = ["1:2", "1_2"]', "schedule: expected STEP:FACTOR"),
    ],
)
def test_a_bad_plan_is_a_line_with_its_file_and_key(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'two.toml'}: {message}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_a_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.toml: cannot read the plan: No such file"):
        plan.read(tmp_path / "no.toml", run_parser())
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"bad\.toml: expected TOML: "):
        plan.read(tmp_path / "bad.toml", run_parser())


def test_two_runs_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for parent in ("a", "b"):
        for label in ("train", "val"):
            (tmp_path / parent / "pictures" / label / "cat").mkdir(parents=True)
    with pytest.raises(InputError, match=r"expected runs of different names\. Received twice: "):
        read(tmp_path, 'data = ["folder:a/pictures", "folder:b/pictures"]')


def test_tables_are_for_whom_they_are_meant(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text("seed = [0, 1]\n[statistics]\nmargin = 1\n")
    found = plan.read(path, run_parser(), ["statistics"])
    assert found.tables == {"statistics": {"margin": 1}}
    assert len(found.runs) == 2


def test_altered_runs_have_their_label_and_the_plans_other_values(tmp_path: Path) -> None:
    found = read(tmp_path, 'backend = ["torch", "jax"]\nseed = [0, 1]\nepochs = 2')
    changes = {"backend": "torch", "label-noise": 0.5}
    worse = plan.altered(found, run_parser(), "noisy", changes, "here: planted.noisy")
    assert [run.name for run in worse] == [
        "attention56-cifar-digits-noisy-torch-seed0",
        "attention56-cifar-digits-noisy-torch-seed1",
    ]
    assert all(run.settings["epochs"] == 2 for run in worse)
    assert "0.5" in worse[0].arguments
    with pytest.raises(InputError, match=r"^here: planted\.noisy: colour: expected one of"):
        plan.altered(found, run_parser(), "noisy", {"colour": 1}, "here: planted.noisy")


NUMBERS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4, unique=True)


@given(seeds=NUMBERS, rates=st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=3, unique=True))
def test_every_combination_is_there_once_and_its_numbers_are_whole(
    tmp_path_factory: pytest.TempPathFactory, seeds: list[int], rates: list[float]
) -> None:
    text = f'backend = "jax"\nseed = {seeds}\nlearning-rate = {rates}'
    found = read(tmp_path_factory.mktemp("plan"), text)
    parsed = [run_parser().parse_args(run.arguments) for run in found.runs]
    told = [(args.seed, float(args.learning_rate)) for args in parsed]
    assert sorted(told) == sorted(itertools.product(seeds, rates))
    assert len({run.name for run in found.runs}) == len(told)
