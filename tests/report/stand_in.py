"""The `workers` fixture: a stand-in for the processes that collecting starts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from ranparity.models import zoo
from ranparity.parity import alterations
from ranparity.report import collect

ROOT = Path(__file__).parents[2]
Started = Callable[[], list[list[str]]]


def shrink(set_: Callable[[object, str, object], None]) -> None:
    """Leaves one net in the zoo, and a few alterations of it; `set_` is like setattr."""
    one = {"attention56-cifar": zoo.ENTRIES["attention56-cifar"]}
    every = alterations.alterations
    set_(zoo, "ENTRIES", one)
    set_(collect, "ALTERED", tuple(one))
    set_(alterations, "alterations", lambda net: islice(every(net), 20))


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Started]:
    """Puts tests/report/worker.py in Python's place; gives what was started since, on demand."""

    def use(behaviour: str) -> Started:
        started = tmp_path / "started.jsonl"
        python = tmp_path / "python"
        script = os.fspath(ROOT / "tests" / "report" / "worker.py")
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
        python.chmod(0o755)
        monkeypatch.setenv("RANPARITY_ROOT", os.fspath(ROOT))
        monkeypatch.setenv("RANPARITY_TEST", behaviour)
        monkeypatch.setenv("RANPARITY_PYTHON", os.fspath(python))
        monkeypatch.setenv("RANPARITY_STARTED", os.fspath(started))
        monkeypatch.setattr(sys, "executable", os.fspath(python))
        monkeypatch.chdir(tmp_path)
        shrink(monkeypatch.setattr)
        return lambda: [json.loads(line) for line in started.read_text().splitlines()]

    return use
