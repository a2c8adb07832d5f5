from __future__ import annotations

from pathlib import Path

import pytest

from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.report import records
from tests.report import samples

CHECK = "data/check-torch.json"


def test_all_records_are_read() -> None:
    found = records.evidence(samples.reports())
    assert found.backends == samples.BACKENDS
    assert all(list(record.nets) == list(zoo.ENTRIES) for record in found.checks.values())
    assert [run.backend for run in found.finished] == list(samples.BACKENDS)
    assert not found.failed
    assert list(found.endurance) == sorted(samples.BACKENDS)
    assert found.alterations is not None
    assert [proof.tried for proof in found.alterations.sides["prototxt"]] == [125]


def test_a_backend_that_is_not_known_comes_after_those_that_are() -> None:
    found = records.evidence(samples.reports(("torch", "mlx")))
    assert found.backends == (*samples.BACKENDS, "mlx")
    assert found.spoken_of == ["torch", "mlx"]


def test_a_run_that_moved_counts_for_neither_backend() -> None:
    path = "data/runs/report-jax/run.json"
    parts = [{"first_step": 1, "backend": "torch"}, {"first_step": 41, "backend": "jax"}]
    found = records.evidence(samples.spoilt(samples.reports(), path, parts=parts))
    assert len(found.finished) == 3
    assert found.trained == {"torch", "tensorflow"}


def test_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    for name in ("data/notes.txt", "data/check-torch.json.bak", "data/runs/a/final.weights.h5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("?")
    (tmp_path / CHECK).write_bytes(b"{}")
    assert list(records.load(tmp_path)) == [CHECK]


def test_a_folder_that_is_not_there_has_no_records(tmp_path: Path) -> None:
    assert records.load(tmp_path / "none") == {}


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_a_named_run_is_taken_without_its_weights(tmp_path: Path) -> None:
    files = samples.run_files("jax")
    folder = put(tmp_path / "mine", files | {"final.weights.h5": b"weights"})
    assert records.named([folder]) == {f"data/runs/mine/{k}": v for k, v in files.items()}


def test_a_named_run_is_taken_with_its_pictures(tmp_path: Path) -> None:
    names = ("masks.json", "masks.png", "features.json")
    files = samples.run_files("jax") | {name: name.encode() for name in names}
    folder = put(tmp_path / "mine", files | {"features.png": b"is drawn again"})
    taken = records.named([folder])
    assert taken == {f"data/runs/mine/{name}": content for name, content in files.items()}
    put(tmp_path / "reports/data/runs/mine", files)
    assert records.load(tmp_path / "reports") == taken


def test_a_named_run_is_called_as_its_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(put(tmp_path / "mine", samples.run_files("jax")))
    assert "data/runs/mine/run.json" in records.named([Path()])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "{folder}: expected a run directory, found no run.json in it"),
        (
            {"run.json": b'{"model": '},
            "{folder}/run.json: expected the record of a run, not JSON: "
            "Expecting value at line 1, column 11",
        ),
        (
            {"run.json": b"[]"},
            "{folder}/run.json: expected the record of a run, expected an object, found []",
        ),
    ],
)
def test_a_named_run_that_cannot_be_read_is_bad_input(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    folder = put(tmp_path / "run", files)
    with pytest.raises(InputError) as caught:
        records.named([folder])
    assert str(caught.value) == message.format(folder=folder)


def test_two_named_runs_of_one_name_are_bad_input(tmp_path: Path) -> None:
    folders = [put(tmp_path / side / "run", samples.run_files("jax")) for side in "ab"]
    with pytest.raises(InputError, match="another run is called run too"):
        records.named(folders)
