from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.report import records
from tests.report import samples

CHECK = "data/check-torch.json"


def check(**changes: Any) -> records.CheckRecord:
    files = samples.spoilt(samples.reports(), CHECK, **changes)
    return records.evidence(files).checks["torch"]


def with_first_result(**changes: Any) -> records.CheckRecord:
    results = samples.check("torch")["results"]
    results[0] = {k: v for k, v in (results[0] | changes).items() if v is not None}
    return check(results=results)


def test_all_records_are_read() -> None:
    found = records.evidence(samples.reports())
    assert found.backends == samples.BACKENDS
    assert all(list(record.nets) == list(zoo.ENTRIES) for record in found.checks.values())
    assert [run.backend for run in found.finished] == list(samples.BACKENDS)
    assert not found.failed
    assert found.alterations is not None
    assert [proof.tried for proof in found.alterations.sides["prototxt"]] == [125]


def test_a_backend_that_is_not_known_comes_after_those_that_are() -> None:
    found = records.evidence(samples.reports(("torch", "mlx")))
    assert found.backends == (*samples.BACKENDS, "mlx")


def test_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    for name in ("data/notes.txt", "data/check-torch.json.bak", "data/runs/a/final.weights.h5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("?")
    (tmp_path / CHECK).write_bytes(b"{}")
    assert list(records.load(tmp_path)) == [CHECK]


def test_a_folder_that_is_not_there_has_no_records(tmp_path: Path) -> None:
    assert records.load(tmp_path / "none") == {}


REQUIRED = sorted(set(samples.net(zoo.entry("attention56"))) - {"paper", "adaptations"})


@pytest.mark.parametrize("key", REQUIRED)
def test_a_result_without_a_key_is_a_fault_of_that_net_only(key: str) -> None:
    record = with_first_result(**{key: None})
    assert len(record.nets) == len(zoo.ENTRIES) - 1
    (fault,) = record.faults.values()
    assert f'"{key}", found no such key' in fault


@pytest.mark.parametrize("key", ["paper", "adaptations"])
def test_what_is_only_beside_a_verdict_may_be_missing(key: str) -> None:
    assert not with_first_result(**{key: None}).faults


DIFFERENCE = {
    "size": "224x224",
    "layer": "conv1",
    "what": "stride",
    "keras": "1x1",
    "prototxt": "2x2",
}


@pytest.mark.parametrize(
    "changes",
    [
        {"differences": [DIFFERENCE]},
        {"verdict": "fail"},
        {"verdict": "probably"},
        {"compared": 0},
    ],
)
def test_a_verdict_that_its_own_evidence_contradicts_is_a_fault(changes: dict[str, Any]) -> None:
    assert "contradicts" in with_first_result(**changes).faults["attention56"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"error": "killed by signal 9: nothing on stderr"}, "killed by signal 9"),
        ({"backend": "jax"}, "the record is of backend jax, in the file of torch"),
        ({"backend": None}, 'expected a string as "backend"'),
        ({"results": None}, 'expected a list as "results", found no such key'),
        ({"results": "none"}, 'expected a list as "results", found "none"'),
        ({"environment": "here"}, 'expected an object as "environment"'),
    ],
)
def test_a_check_without_evidence_is_an_error(changes: dict[str, Any], expected: str) -> None:
    assert check(**changes).error.startswith(expected)


def test_damaged_json_is_an_error_of_that_backend_only() -> None:
    found = records.evidence(samples.reports() | {CHECK: b'{"backend": "torch", "res'})
    assert found.checks["torch"].error.startswith("not JSON: Unterminated string")
    assert not found.checks["jax"].error


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"error": "no such backend"}, "no such backend"),
        ({"prototxt": []}, 'no alteration was tried of the "prototxt"'),
        ({"live Keras model": None}, 'no alteration was tried of the "live Keras model"'),
        (
            {"prototxt": [{"title": "A", "counts": {"pad": [3, 2]}, "missed": []}]},
            "A: 3 tried, 2 found and 0 missed do not add up",
        ),
        (
            {"prototxt": [{"title": "A", "counts": {"pad": [2, 3]}, "missed": []}]},
            'counts: more found than tried as "pad"',
        ),
        (
            {"prototxt": [{"title": "A", "counts": {"pad": 3}, "missed": []}]},
            'counts: expected [tried, found] as "pad"',
        ),
    ],
)
def test_a_proof_without_evidence_is_an_error(changes: dict[str, Any], expected: str) -> None:
    files = samples.spoilt(samples.reports(), records.ALTERATIONS, **changes)
    found = records.evidence(files).alterations
    assert found is not None
    assert found.error.startswith(expected)


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_a_named_run_is_taken_without_its_weights(tmp_path: Path) -> None:
    files = samples.run_files("jax")
    folder = put(tmp_path / "mine", files | {"final.weights.h5": b"weights"})
    assert records.named([folder]) == {f"data/runs/mine/{k}": v for k, v in files.items()}


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


def test_what_depends_on_the_moment_is_left_out_of_a_comparison() -> None:
    one, other = samples.check("torch"), samples.check("torch")
    other |= {"seconds": 99.0, "environment": {"keras": "9"}, "keras": "9"}
    assert records.timeless(one) == records.timeless(other)
    other["results"][0]["errata"] = tuple(other["results"][0]["errata"])
    assert records.timeless(one) == records.timeless(other)
    other["results"][0]["compared"] += 1
    assert records.timeless(one) != records.timeless(other)
