"""The record grows by nets, and what is measured again takes the place of what was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ranparity.benchmarks import records
from ranparity.benchmarks.records import Record
from ranparity.errors import InputError


def of(model: str, batch_size: int, seconds: float) -> Record:
    key: dict[str, Any] = {"model": model, "batch_size": batch_size, "device_asked": "auto"}
    return {"results": [key | {"seconds": seconds}], "nets": [key]}


def test_what_is_measured_again_replaces_what_was_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    assert records.read(path) == {"results": [], "nets": []}
    records.write(path, records.joined([of("a", 1, 1.0), of("b", 1, 2.0), of("a", 2, 3.0)]))
    records.write(path, records.joined([records.read(path), of("a", 1, 4.0)]))
    found = records.read(path)
    assert [row["seconds"] for row in found["results"]] == [2.0, 3.0, 4.0]
    assert [(row["model"], row["batch_size"]) for row in found["nets"]] == [
        ("b", 1),
        ("a", 2),
        ("a", 1),
    ]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"results": [{}], "nets": []}'])
def test_another_file_is_refused_and_kept(content: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_text(content)
    with pytest.raises(InputError, match="expected the record of ranparity bench"):
        records.read(path)
    assert path.read_text() == content
