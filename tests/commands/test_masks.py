"""The command `ranparity masks`: a small net's run to a picture and a record; refusals."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ranparity import data
from ranparity.commands import masks
from ranparity.data.dataset import Dataset
from ranparity.models import zoo
from ranparity.report import masks_record
from tests.commands.small_net import NAME, dataset, tiny
from tests.pictures import finished_run
from tests.pictures.command import Command
from tests.report import schemas


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run.write(tmp_path_factory.mktemp("run"), tiny())


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
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(masks, capsys)


def test_picture_and_record_are_written_into_the_run(
    run: Path, loaded: dict[str, Any], command: Command
) -> None:
    status, out, err = command(run, "--json")
    assert (status, err) == (0, f"Wrote {run / 'masks.png'} and {run / 'masks.json'}\n")
    assert (loaded["spec"], loaded["partial"]) == ("squares", True)
    record = json.loads(out)
    assert record == json.loads((run / "masks.json").read_text())
    assert schemas.refusals("masks", record) == []
    assert next(iter(record.items())) == ("schema", 1)
    png = (run / "masks.png").read_bytes()
    digest = hashlib.sha256(png).hexdigest()
    assert record["picture"] == {"file": "masks.png", "digest": digest}
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
    stated = json.loads((run / "run.json").read_text())
    assert record["weights_digest"] == stated["final_weights_digest"]
    assert [image["held_out"] for image in record["images"]] == [0, 1, 2, 3]
    known = {key: record[key] for key in ("model", "backend", "trained_on", "precision")}
    expected = {"model": NAME, "backend": "torch", "trained_on": "jax", "precision": "float32"}
    assert known == expected
    assert record["environment"]["framework"].startswith("torch ")
    for module in record["modules"]:
        figures = module["mask"]
        assert 0 <= figures["min"] <= figures["mean"] <= figures["max"] <= 1
    files = {name: (run / name).read_bytes() for name in ("run.json", "masks.json", "masks.png")}
    (read,) = masks_record.read({f"data/runs/x/{name}": files[name] for name in files})
    assert (read.of.error, len(read.images), read.png) == ("", 4, png)


@pytest.mark.usefixtures("loaded")
def test_drawing_again_gives_the_same_bytes_in_any_folder(
    run: Path, command: Command, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in ("a", "b/c")]
    for folder in folders:
        status, out, _ = command(run, "-n", 2, "-o", folder)
        assert status == 0
    first, second = ((folder / "masks.png").read_bytes() for folder in folders)
    assert first == second
    heads, _, *rows = out.splitlines()
    assert heads.split() == ["module", "map", "min", "mean", "max", "std", "saturated"]
    record = json.loads((folders[0] / "masks.json").read_text())
    module = record["modules"][0]
    assert rows[0].split()[:3] == [
        module["name"],
        "x".join(map(str, module["shape"])),
        f"{module['mask']['min']:.4f}",
    ]


@pytest.mark.usefixtures("loaded")
def test_images_can_be_files(
    run: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "load", None)  # the data are not needed
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "a.png")
    status, out, _ = command(run, tmp_path / "a.png", "-o", tmp_path / "out", "--json")
    assert status == 0
    assert [image["file"] for image in json.loads(out)["images"]] == ["a.png"]


# Refusals.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-n", 0), "-n: expected 1 to 16. Received: 0"),
        (("-n", 17), "-n: expected 1 to 16. Received: 17"),
        (
            ("x.png", "-n", 2),
            "-n says how many held-out images: leave it out, because images are named",
        ),
        (
            ("x.png", "--data", "digits"),
            "--data is for held-out images: leave it out, because images are named",
        ),
        (("x.png",) * 17, "images: expected 16 or fewer. Received: 17"),
    ],
)
def test_options_that_cannot_be(
    run: Path, command: Command, arguments: tuple[object, ...], message: str
) -> None:
    assert command.refused(run, *arguments) == message


def test_a_net_without_masks(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = finished_run.dranet()
    monkeypatch.setitem(zoo.ENTRIES, entry.name, entry)
    folder = finished_run.write(tmp_path / "run", entry)
    assert command.refused(folder) == (
        f"{folder}: expected a run of a network with attention masks. Received: a run of "
        "small-dranet, which has none"
    )
    assert not (folder / "masks.json").exists()


def test_other_data_than_the_runs(run: Path, loaded: dict[str, Any], command: Command) -> None:
    loaded["gives"] = other = dataset(stored=13)
    stated = json.loads((run / "run.json").read_text())["data"]["digest"]
    assert command.refused(run, "--data", "elsewhere") == (
        f"--data elsewhere: expected the data of the run, of digest {stated[:12]}. "
        f"Received: {other.digest[:12]}"
    )


@pytest.mark.usefixtures("loaded")
def test_a_folder_that_cannot_be_made(run: Path, command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "in"
    expected = f"--out {place}: cannot be made: Not a directory"
    assert command.refused(run, "-o", place) == expected
    place.parent.unlink()
    assert command.refused(tmp_path) == (
        f"{tmp_path}: expected a run directory, which holds run.json: no such file"
    )
