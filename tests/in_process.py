"""A worker's work in this process, where a test is not about processes: importing takes seconds."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from ranparity.parity import check


@pytest.fixture
def checks_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has `check` build and trace its models here, on torch, one after the other."""
    monkeypatch.setattr(check, "stream", stream)
    monkeypatch.setattr(check, "ahead", iter)


def stream(backend: str, module: str, arguments: Sequence[str]) -> Iterator[Any]:
    """As `ranparity.workers.stream`."""
    assert backend == "torch", "what this process has imported"
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        importlib.import_module(module).main(arguments)
    yield from map(json.loads, out.getvalue().splitlines())
