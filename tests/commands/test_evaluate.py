"""The command `ranparity evaluate`: a small net from run directory or file to figures; refusals."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

from ranparity import cli, data
from ranparity.commands import evaluate
from ranparity.data import digest, normalisation
from ranparity.data.dataset import Dataset
from ranparity.data.tape import Tape
from ranparity.models import zoo
from ranparity.training import variables
from tests.commands.small_net import CLASSES, NAME, NAMES, SIDE, TESTED, dataset, tiny

Evaluate = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory of a small net, with weights that tell classes apart by chance."""
    folder = tmp_path_factory.mktemp("run")
    model = tiny().build(input_shape=(SIDE, SIDE, 3), classes=CLASSES, classifier_activation=None)
    values = variables.initialise(model, Tape(1))
    model.save_weights(folder / "final.weights.h5")
    normalisation.fit("channel-mean", dataset()).save(folder / "normalisation.npz")
    record(folder, {"final_weights_digest": digest.of_named_arrays(values)})
    return folder


def record(folder: Path, changes: dict[str, Any]) -> None:
    content = {
        "model": NAME,
        "status": "finished",
        "precision": "float32",
        "data": {"source": "squares", "partial": True, "classes": CLASSES},
    }
    (folder / "run.json").write_text(json.dumps(content | changes))


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Puts the small net into the zoo and `dataset` in place of all data; says what was asked."""
    asked: dict[str, Any] = {"gives": dataset()}

    def load(spec: str, **options: Any) -> Dataset:
        asked.update(spec=spec, **options)
        return asked["gives"]

    monkeypatch.setitem(zoo.ENTRIES, NAME, tiny())
    monkeypatch.setattr(data, "load", load)
    return asked


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Evaluate:
    """Runs the command; gives its status and what it printed."""
    parser = argparse.ArgumentParser()
    evaluate.add_parser(parser.add_subparsers())

    def run_(*arguments: object) -> tuple[int, str, str]:
        given = ["evaluate", *map(str, arguments), "--backend", "torch"]
        status = cli.guarded(parser.parse_args(given))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_


def refused(command: Evaluate, *arguments: object) -> str:
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    return err.removeprefix("ranparity: ").rstrip("\n")


def outputs_of(run: Path, images: Any) -> Any:
    """The net's logits for normalised images, by Keras alone."""
    model = tiny().build(input_shape=(SIDE, SIDE, 3), classes=CLASSES, classifier_activation=None)
    model.load_weights(run / "final.weights.h5")
    return model.predict(images, verbose=0).astype(np.float64)


def figures(log_probabilities: Any, labels: Any) -> dict[str, Any]:
    best = np.argsort(-log_probabilities, axis=1, kind="stable")[:, :5]
    return {
        "loss": -log_probabilities[range(len(labels)), labels].mean(),
        "top1": np.mean(best[:, 0] == labels),
        "top5": np.mean((best == labels[:, np.newaxis]).any(axis=1)),
        "images": len(labels),
    }


def assert_figures(found: dict[str, Any], log_probabilities: Any, labels: Any) -> None:
    for name, value in figures(log_probabilities, labels).items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


@pytest.mark.parametrize("stored", [SIDE, SIDE + 3])
def test_a_run_gives_the_figures_of_its_net(
    run: Path, loaded: dict[str, Any], command: Evaluate, stored: int
) -> None:
    loaded["gives"] = dataset(stored)
    status, out, err = command(run, "--json", "--batch-size", 8)
    assert (status, err) == (0, "")
    found = json.loads(out)
    cut = (stored - SIDE) // 2
    test = loaded["gives"].test
    pixels = test.pixels[:, cut : cut + SIDE, cut : cut + SIDE].astype(np.float32)
    images = pixels - normalisation.load(run / "normalisation.npz").mean
    log_probabilities = log_softmax(outputs_of(run, images), axis=1)
    assert_figures(found, log_probabilities, test.labels)
    assert 0 < found["top1"] < found["top5"] < 1, "the figures must be able to be wrong"
    assert [row["class"] for row in found["per_class"]] == list(NAMES)
    for label, row in enumerate(found["per_class"][:-1]):
        chosen = test.labels == label
        assert_figures(row, log_probabilities[chosen], test.labels[chosen])
    assert found["per_class"][-1] == {
        "class": "g",
        "loss": None,
        "top1": None,
        "top5": None,
        "images": 0,
    }
    assert found["data"]["digest"] == loaded["gives"].digest
    assert {
        key: found[key] for key in ("model", "weights", "normalisation", "backend", "crops")
    } == {
        "model": NAME,
        "weights": str(run / "final.weights.h5"),
        "normalisation": "channel-mean",
        "backend": "torch",
        "crops": 1,
    }


@pytest.mark.parametrize(("stored", "padding"), [(SIDE, 4), (SIDE + 3, 0)])
def test_ten_crops_are_averaged(
    run: Path, loaded: dict[str, Any], command: Evaluate, stored: int, padding: int
) -> None:
    loaded["gives"] = dataset(stored)
    status, out, _ = command(run, "--json", "--crops", 10)
    assert status == 0
    test = loaded["gives"].test
    images = test.pixels.astype(np.float32) - normalisation.load(run / "normalisation.npz").mean
    around = (padding, padding)
    images = np.pad(images, ((0, 0), around, around, (0, 0)))
    spare = images.shape[1] - SIDE
    places = [(0, 0), (0, spare), (spare, 0), (spare, spare), (spare // 2, spare // 2)]
    crops = [images[:, top : top + SIDE, left : left + SIDE] for top, left in places]
    crops += [np.flip(crop, axis=2) for crop in crops]
    seen = [log_softmax(outputs_of(run, crop), axis=1) for crop in crops]
    # In logarithms: so sure is a net that nobody trained that some probabilities are 0 in float64.
    assert_figures(json.loads(out), logsumexp(seen, axis=0) - np.log(10), test.labels)


@pytest.mark.usefixtures("loaded")
def test_the_tables(run: Path, command: Evaluate) -> None:
    status, out, err = command(run)
    assert (status, err) == (0, "")
    summary, _, classes = out.partition("\n\n")
    found = json.loads(command(run, "--json")[1])
    assert [line.split() for line in summary.splitlines()][:2] == [
        ["model", NAME],
        ["weights", str(run / "final.weights.h5")],
    ]
    assert f"data       {TESTED} held-out images of squares" in summary
    assert "judged by  the centre of each image" in summary
    assert f"top-1      {found['top1']:.2%}" in summary
    assert f"top-5      {found['top5']:.2%}" in summary
    rows = [line.split() for line in classes.splitlines()]
    assert rows[0] == ["class", "images", "top-1", "top-5"]
    assert rows[2] == [
        "a",
        "4",
        *(f"{found['per_class'][0][name]:.2%}" for name in ("top1", "top5")),
    ]
    assert rows[-1] == ["g", "0", "-", "-"]


def test_a_run_says_its_data(run: Path, loaded: dict[str, Any], command: Evaluate) -> None:
    assert command(run)[0] == 0
    assert (loaded["spec"], loaded["partial"], loaded["image_size"]) == ("squares", True, SIDE)
    (run / "place.json").write_text('{"data": "cifar10:/there"}')
    try:
        assert command(run)[0] == 0
        assert loaded["spec"] == "cifar10:/there"
        assert command(run, "--data", "elsewhere")[0] == 0
        assert (loaded["spec"], loaded["partial"]) == ("elsewhere", False)
        assert command(run, "--data", "elsewhere", "--partial")[0] == 0
        assert loaded["partial"]
    finally:
        (run / "place.json").unlink()


def test_a_file_of_weights_is_normalised_as_its_recipe_does(
    run: Path, loaded: dict[str, Any], command: Evaluate
) -> None:
    file = (run / "final.weights.h5", "--model", NAME, "--data", "squares", "--json")
    recipes = {"digits": "range", "paper-cifar": "pixel-mean"}
    for name, kind in recipes.items():
        found = json.loads(command(*file, "--recipe", name)[1])
        assert found["normalisation"] == kind
        normalised = normalisation.fit(kind, loaded["gives"])(loaded["gives"].test.pixels)
        expected = log_softmax(outputs_of(run, normalised), axis=1)
        assert_figures(found, expected, loaded["gives"].test.labels)
    assert json.loads(command(*file)[1])["normalisation"] == "pixel-mean", "not for 32x32: ImageNet"


# Refusals.


@pytest.mark.usefixtures("loaded")
def test_what_a_file_does_not_say_is_asked_for(run: Path, command: Evaluate) -> None:
    path = run / "final.weights.h5"
    expected = f"--model: needed, because {path} is no run directory"
    assert refused(command, path) == expected
    expected = f"--data: needed, because {path} is no run directory"
    assert refused(command, path, "--model", NAME) == expected


@pytest.mark.parametrize("option", ["model", "recipe"])
def test_what_a_run_says_is_not_given_again(run: Path, command: Evaluate, option: str) -> None:
    expected = f"--{option}: leave it out, because {run} is a run and has its own"
    assert refused(command, run, f"--{option}", "x") == expected


def test_a_batch_of_none(run: Path, command: Evaluate) -> None:
    expected = "--batch-size: expected 1 or more. Received: 0"
    assert refused(command, run, "--batch-size", 0) == expected


@pytest.mark.usefixtures("loaded")
def test_a_device_that_is_not_there_is_refused(command: Evaluate, run: Path) -> None:
    """PyTorch has no TPU."""
    said = refused(command, run, "--device", "tpu")
    assert said.startswith("--device tpu: torch sees none here. There is ")


@pytest.mark.parametrize(
    ("name", "what"), [("none", ": no such file"), ("a.h5", ", and this is another file")]
)
def test_neither_run_nor_weights(tmp_path: Path, command: Evaluate, name: str, what: str) -> None:
    (tmp_path / "a.h5").touch()
    path = tmp_path / name
    assert refused(command, path, "--model", "attention56", "--data", "digits") == (
        f"{path}: expected a run directory or a *.weights.h5 file{what}"
    )


def test_a_folder_that_is_no_run(tmp_path: Path, command: Evaluate) -> None:
    assert refused(command, tmp_path) == (
        f"{tmp_path}: expected a run directory, which holds run.json: no such file"
    )


def test_a_run_that_is_not_at_its_end(tmp_path: Path, command: Evaluate) -> None:
    record(tmp_path, {"status": "interrupted"})
    assert refused(command, tmp_path) == (
        f"{tmp_path}: expected final.weights.h5, which a run has at its end; this one is "
        "interrupted: go on with it by ranparity run --resume"
    )


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, "it lacks 'final_weights_digest'"),
        ({"data": {}}, "it lacks 'source'"),
        ({"data": 3}, "'int' object is not subscriptable"),
    ],
)
def test_a_record_that_is_no_runs(
    tmp_path: Path, command: Evaluate, changes: dict[str, Any], what: str
) -> None:
    (tmp_path / "final.weights.h5").touch()
    record(tmp_path, changes)
    expected = f"{tmp_path}/run.json: expected the record of a run: {what}"
    assert refused(command, tmp_path) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"class_names": tuple("abcdef")},
            "classes of 7, as the weights were trained with. Received: 6",
        ),
        (
            {"image_shape": (SIDE - 1, SIDE, 3)},
            "--model tiny takes images of 12x12x3, and --data squares has 11x12x3: "
            "choose another model or other data",
        ),
    ],
)
def test_data_that_the_net_does_not_take(
    run: Path, loaded: dict[str, Any], command: Evaluate, changes: dict[str, Any], message: str
) -> None:
    loaded["gives"] = dataset(**changes)
    assert refused(command, run).endswith(message)


@pytest.mark.usefixtures("loaded")
def test_weights_that_were_changed_after_the_run(
    run: Path, command: Evaluate, tmp_path: Path
) -> None:
    for path in run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    record(tmp_path, {"final_weights_digest": "0" * 64})
    found = json.loads((run / "run.json").read_text())["final_weights_digest"]
    path = tmp_path / "final.weights.h5"
    assert refused(command, tmp_path) == (
        f"{path}: expected weights of digest {'0' * 64}, as run.json has it. Received: {found}"
    )


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        (5000, "truncated file: eof = 5000, "),
        (100, "truncated file: eof = 100, "),
        (0, "file signature not found"),
    ],
)
@pytest.mark.usefixtures("loaded")
def test_weights_that_are_damaged(
    run: Path, command: Evaluate, tmp_path: Path, size: int, reason: str
) -> None:
    path = tmp_path / "x.weights.h5"
    path.write_bytes((run / "final.weights.h5").read_bytes()[:size])
    message = refused(command, path, "--model", NAME, "--data", "squares")
    assert message.startswith(f"{path}: cannot be read: ")
    assert reason in message


def test_weights_of_another_net(
    run: Path, loaded: dict[str, Any], command: Evaluate, tmp_path: Path
) -> None:
    path = tmp_path / "x.weights.h5"
    path.write_bytes((run / "final.weights.h5").read_bytes())
    loaded["gives"] = dataset(class_names=(*NAMES, "h"))
    assert refused(command, path, "--model", NAME, "--data", "squares") == (
        f"{path}: expected the weights of tiny with 8 classes. Keras says: A total of 1 objects "
        "could not be loaded. Example error message for object <InnerProduct name=classifier, "
        "built=True>"
    )


@pytest.mark.usefixtures("loaded")
def test_weights_that_are_no_numbers(command: Evaluate, tmp_path: Path) -> None:
    model = tiny().build(input_shape=(SIDE, SIDE, 3), classes=CLASSES, classifier_activation=None)
    model.set_weights([np.full(value.shape, np.nan) for value in model.get_weights()])
    path = tmp_path / "x.weights.h5"
    model.save_weights(path)
    expected = f"{path}: the network's outputs are not all finite numbers"
    assert refused(command, path, "--model", NAME, "--data", "squares") == expected
