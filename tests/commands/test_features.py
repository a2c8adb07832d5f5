"""The command `ranparity features`: a small DRA-Net's run to figures and a picture; refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranparity import data
from ranparity.commands import features
from ranparity.data import digest, normalisation
from ranparity.models import dranet, zoo
from ranparity.pictures.measures import inter_class_distance, intra_class_compactness
from ranparity.report import features_record
from tests.commands.small_net import CLASSES, NAME, NAMES, SIDE, TESTED, dataset, tiny
from tests.pictures import finished_run
from tests.pictures.command import Command
from tests.report import schemas


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run.write(tmp_path_factory.mktemp("run"), finished_run.dranet())


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = finished_run.dranet()
    monkeypatch.setitem(zoo.ENTRIES, entry.name, entry)
    monkeypatch.setattr(data, "load", lambda _, **__: dataset())


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(features, capsys)


def by_keras_alone(run: Path) -> Any:
    """The features f and z of all held-out images."""
    model = finished_run.dranet().build(
        input_shape=(SIDE, SIDE, 3), classes=CLASSES, classifier_activation=None
    )
    model.load_weights(run / "final.weights.h5")
    mean = normalisation.load(run / "normalisation.npz").mean
    images = dataset().test.pixels.astype(np.float32) - mean
    return dranet.representations(model).predict(images, verbose=0)


def test_figures_are_of_the_features_of_all_held_out_images(run: Path, command: Command) -> None:
    status, out, err = command(run, "--json", "--batch-size", 8)
    assert (status, err) == (0, f"Wrote {run / 'features.png'} and {run / 'features.json'}\n")
    record = json.loads(out)
    assert record == json.loads((run / "features.json").read_text())
    assert schemas.refusals("features", record) == []
    assert next(iter(record.items())) == ("schema", 1)
    labels = dataset().test.labels
    for side, found in zip(("before", "after"), by_keras_alone(run), strict=True):
        stated = record[side]
        assert stated["intra_class_compactness"] == pytest.approx(
            intra_class_compactness(found, labels), rel=1e-4
        )
        assert stated["inter_class_distance"] == pytest.approx(
            inter_class_distance(found, labels), rel=1e-3
        )
        assert stated["width"] == found.shape[1]
    assert record["before"]["digest"] != record["after"]["digest"]
    assert [record[side]["accuracy"] for side in ("before", "after")] == [0.25, 0.75]
    places = record["tsne"]
    assert (record["images"], places["labels"]) == (TESTED, labels.tolist())
    assert (places["seed"], places["perplexity"]) == (123, pytest.approx(20 / 3))
    assert places["library"].startswith("scikit-learn ")
    assert np.array(places["before"]).shape == (TESTED, 2)
    files = {name: (run / name).read_bytes() for name in ("run.json", "features.json")}
    read = features_record.of_run("x", files)
    assert read.class_names == NAMES
    assert (run / "features.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_fewer_images_and_the_same_figures(
    run: Path, command: Command, tmp_path: Path
) -> None:
    command(run)
    status, out, _ = command(run, "--drawn", 5, "-o", tmp_path)
    assert status == 0
    whole, some = (json.loads((place / "features.json").read_text()) for place in (run, tmp_path))
    assert some["tsne"]["images"] == [0, 4, 8, 12, 16]
    assert some["before"] == whole["before"]
    compactness = whole["before"]["intra_class_compactness"]
    heads, _, first, _, last = out.splitlines()
    assert heads.split() == ["of", "21", "images", "before", "(f)", "after", "(z)"]
    assert first.split()[:3] == ["intra-class", "compactness", f"{compactness:.4f}"]
    assert last.split() == ["test", "accuracy", "25.00%", "75.00%"]


def test_accuracies_that_are_not_recorded_are_none(run: Path, command: Command) -> None:
    stated = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**stated, "stages": stated["stages"][1:]}))
    try:
        status, out, _ = command(run)
        assert status == 0
        assert out.splitlines()[-1].split() == ["test", "accuracy", "-", "-"]
    finally:
        (run / "run.json").write_text(json.dumps(stated))


# Refusals.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--drawn", 3), "--drawn: expected 4 to 5000. Received: 3"),
        (("--drawn", 5001), "--drawn: expected 4 to 5000. Received: 5001"),
        (("--batch-size", 0), "--batch-size: expected 1 to 1048576. Received: 0"),
    ],
)
def test_options_that_cannot_be(
    run: Path, command: Command, arguments: tuple[object, ...], message: str
) -> None:
    assert command.refused(run, *arguments) == message


def test_another_net_is_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(zoo.ENTRIES, NAME, tiny())
    folder = finished_run.write(tmp_path / "run", tiny())
    assert command.refused(folder) == (
        f"{folder}: expected a run of a DRA-Net, whose features are aggregated. "
        "Received: a run of tiny"
    )


def test_a_run_of_the_backbone_alone_is_refused(
    run: Path, command: Command, tmp_path: Path
) -> None:
    stated = json.loads((run / "run.json").read_text())
    stated["stages"][-1]["part"] = "features"
    (tmp_path / "run.json").write_text(json.dumps(stated))
    (tmp_path / "final.weights.h5").touch()
    assert command.refused(tmp_path) == (
        f"{tmp_path}: expected a run whose last stage trained the aggregation. Received: one that "
        "trained the backbone alone, which has features before it only"
    )


def test_weights_that_give_no_numbers_are_refused(command: Command, tmp_path: Path) -> None:
    folder = finished_run.write(tmp_path / "run", finished_run.dranet())
    model = finished_run.dranet().build(
        input_shape=(SIDE, SIDE, 3), classes=CLASSES, classifier_activation=None
    )
    model.set_weights([np.full(value.shape, np.nan) for value in model.get_weights()])
    model.save_weights(folder / "final.weights.h5")
    stated = json.loads((folder / "run.json").read_text())
    values = {name: np.array(v) for name, v in _weights(model).items()}
    stated["stages"] = finished_run.stages(digest.of_named_arrays(values))
    (folder / "run.json").write_text(json.dumps(stated))
    expected = "features of small-dranet: they are not all finite numbers"
    assert command.refused(folder) == expected


def _weights(model: Any) -> dict[str, Any]:
    from ranparity.training import variables

    return {
        name: variable.value.detach().cpu().numpy()
        for name, variable in variables.named(model).items()
    }
