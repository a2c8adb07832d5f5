"""Runs a command as the command line does, on torch, and gives what came of it."""

from __future__ import annotations

import argparse
from types import ModuleType
from typing import Any

import pytest

from ranparity import cli


class Command:
    """A command of one module; calling it gives its status, output and errors."""

    def __init__(self, module: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
        self.name = module.__name__.rpartition(".")[2]
        self._parser = argparse.ArgumentParser()
        self._capsys = capsys
        module.add_parser(self._parser.add_subparsers())

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        given = [self.name, *map(str, arguments), "--backend", "torch"]
        status = cli.guarded(self._parser.parse_args(given))
        captured: Any = self._capsys.readouterr()
        return status, captured.out, captured.err

    def refused(self, *arguments: object) -> str:
        """Gives the one line that bad input ends with."""
        status, out, err = self(*arguments)
        assert (status, out) == (2, "")
        assert err.count("\n") == 1
        return err.removeprefix("ranparity: ").rstrip("\n")
