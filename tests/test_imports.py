"""Imports go one way, and only where a framework is used is a framework loaded.

Read from the source with `ast`, so imports inside functions count; `TYPE_CHECKING` ones do not, as
they never run. What is loaded is asked of fresh processes.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ranparity"

# A part may import itself and the parts of the lines above its own.
ORDER = (
    ("errors", "files", "memory", "__init__"),
    ("schema",),
    ("caffe", "data", "kernels", "workers"),
    ("models",),
    ("training",),
    ("matrix",),
    ("claims",),
    ("parity", "pictures"),
    ("benchmarks",),
    ("report",),
    ("commands", "run", "cli", "__main__"),
)
LEAVES = {"caffe", "data", "kernels", "workers"}  # import nothing of ours but the first line's
FACE = "__init__.py"  # hands on what people call, once they ask for it
TOGETHER = {"commands", "run", "cli", "__main__"}  # the command line: `run` is one of its commands
FRAMEWORKS = {"torch", "tensorflow", "jax"}
BENCHMARKS = ("benchmarks/native.py", "benchmarks/operators/")
MAY_FRAMEWORK = ("training/backends/", "kernels/", "caffe/arbiter", *BENCHMARKS)
NO_KERAS = (
    "caffe/",
    "claims/",
    "data/",
    "report/",
    "cli.py",
    "workers.py",
    "files.py",
    "errors.py",
    "memory.py",
    "schema.py",
)
HEAVY = {"keras", "torch", "tensorflow", "jax", "matplotlib", "sklearn", "scipy", "h5py"}


def part_of(path: str) -> str:
    """The part of the package that a file belongs to: its folder, or its own name."""
    return Path(path).parts[0].removesuffix(".py")


def imported(source: str) -> Iterator[str]:
    """Every module that a source imports when it runs, dotted, wherever the import stands."""
    tree = ast.parse(source)
    unused = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in unused:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide their direction"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield _prefix(node.args[0])


def _prefix(argument: ast.expr) -> str:
    """What is known of a module's name that is made when the program runs."""
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    if isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.Constant):
        return str(argument.values[0].value)
    return ""


def violations(path: str, source: str) -> list[str]:
    """What a file of the package may not import, with why; empty if nothing."""
    part = part_of(path)
    ranks = {name: rank for rank, names in enumerate(ORDER) for name in names}
    found = []
    for module in imported(source):
        top, _, rest = module.partition(".")
        if top in FRAMEWORKS and not path.startswith(MAY_FRAMEWORK):
            found.append(f"{path} imports {module}: a framework")
        if top == "keras" and path.startswith(NO_KERAS):
            found.append(f"{path} imports {module}: Keras")
        if top != "ranparity" or not rest:
            continue
        other = rest.partition(".")[0]
        if other not in ranks:  # `from ranparity import __version__`
            continue
        allowed = ranks[other] < ranks[part] or other == part or {part, other} <= TOGETHER
        if part in LEAVES:
            allowed = other in (*ORDER[0], part)
        if not allowed and path != FACE:
            found.append(f"{path} imports {module}: against the direction of imports")
    return found


def sources() -> dict[str, str]:
    files = sorted(PACKAGE.rglob("*.py"))
    return {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in files}


def test_every_part_has_its_place() -> None:
    assert {part_of(path) for path in sources()} <= {name for names in ORDER for name in names}


@pytest.mark.parametrize("path", sources())
def test_imports_go_one_way(path: str) -> None:
    assert violations(path, sources()[path]) == []


PLANTED = [
    ("caffe/shapes.py", "import ranparity.models.zoo", "direction"),
    ("caffe/shapes.py", "from ranparity.data import tape", "direction"),
    ("kernels/plain.py", "from ranparity.caffe import shapes", "direction"),
    ("data/tape.py", "def f():\n    from ranparity import models", "direction"),
    ("models/zoo.py", "from ranparity.parity import check", "direction"),
    ("models/zoo.py", "from ranparity.training.backends import choose", "direction"),
    ("training/loop.py", "from ranparity.report import page", "direction"),
    ("matrix/plan.py", "from ranparity import run", "direction"),
    ("matrix/session.py", "from ranparity.parity import sessions", "direction"),
    ("parity/check.py", "from ranparity import cli", "direction"),
    ("report/page.py", "from ranparity.commands import check", "direction"),
    ("files.py", "from ranparity.data import tape", "direction"),
    ("workers.py", "from ranparity.parity import check", "direction"),
    ("models/layers.py", "import torch", "framework"),
    ("models/layers.py", "def f():\n    import jax.numpy as jnp", "framework"),
    ("parity/live.py", "from tensorflow import function", "framework"),
    ("data/tape.py", 'import importlib\nimportlib.import_module("torch.nn")', "framework"),
    ("training/loop.py", "import torch", "framework"),
    ("caffe/graph.py", "import keras", "Keras"),
    (
        "report/page.py",
        "def f():\n    try:\n        from keras import ops\n    finally: ...",
        "Keras",
    ),
    ("data/digits.py", "if True:\n    import keras.ops", "Keras"),
]


@pytest.mark.parametrize(("path", "line", "why"), PLANTED)
def test_a_planted_violation_is_found(path: str, line: str, why: str) -> None:
    (found,) = violations(path, line)
    assert found.startswith(f"{path} imports ")
    assert why in found


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("kernels/torch.py", "import torch"),
        ("training/backends/jax.py", "def f():\n    import jax"),
        ("caffe/arbiter.py", "def f():\n    import torch"),
        ("models/layers.py", "import keras\nfrom ranparity.caffe import shapes"),
        ("run.py", "from ranparity import cli"),
        ("caffe/graph.py", "from ranparity.caffe import prototxt\nfrom ranparity import errors"),
        (
            "data/tape.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ranparity import models",
        ),
    ],
)
def test_what_is_allowed_is_not_found(path: str, line: str) -> None:
    assert violations(path, line) == []


# What a fresh process loads.

SHOW = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
RUN = "import sys\ntry:\n    {}\nexcept SystemExit: pass"
LIGHT = {
    "import ranparity": "import ranparity",
    "import ranparity.models": "import ranparity.models",
    "ranparity --help": RUN.format("import ranparity.cli; ranparity.cli.main(['--help'])"),
    "ranparity check --help": RUN.format(
        "import ranparity.cli; ranparity.cli.main(['check', '--help'])"
    ),
    "ranparity matrix --help": RUN.format(
        "import ranparity.cli; ranparity.cli.main(['matrix', '--help'])"
    ),
    "ranparity statistics --help": RUN.format(
        "import ranparity.cli; ranparity.cli.main(['statistics', '--help'])"
    ),
    "ranparity evaluate --help": RUN.format(
        "import ranparity.cli; ranparity.cli.main(['evaluate', '--help'])"
    ),
    "python -m ranparity.run --help": RUN.format(
        "import ranparity.run; ranparity.run.main(['--help'])"
    ),
    "python -m ranparity.parity.findings --help": RUN.format(
        "import ranparity.parity.findings; ranparity.parity.findings.main(['--help'])"
    ),
    "ranparity shapes": RUN.format(
        "import ranparity.cli; ranparity.cli.main(['shapes', 'prototxt/AttentionNeXt-92.prototxt'])"
    ),
    "ranparity compare": RUN.format(
        "import ranparity.cli; ranparity.cli.main("
        "['compare', *(f'reports/data/runs/report-{name}' for name in ('torch', 'jax'))])"
    ),
    "ranparity compare --json": RUN.format(
        "import ranparity.cli; ranparity.cli.main("
        "['compare', '--json', *(f'reports/data/runs/report-{name}' for name in ('torch', 'jax'))])"
    ),
    "ranparity shapes --json": RUN.format(
        "import ranparity.cli; "
        "ranparity.cli.main(['shapes', '--json', 'prototxt/AttentionNeXt-92.prototxt'])"
    ),
}


def loaded(program: str) -> set[str]:
    """The top-level modules of a fresh process after a program."""
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", program + SHOW],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize("command", LIGHT)
def test_no_framework_is_loaded(command: str) -> None:
    modules = loaded(LIGHT[command])
    assert "ranparity" in modules
    assert modules & HEAVY == set()


def test_a_framework_that_is_loaded_is_seen() -> None:
    assert "h5py" in loaded("import ranparity, h5py")


def test_the_real_help_of_the_module_that_trains() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ranparity.run", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "ranparity" in names
    assert names & HEAVY == set()
    assert done.stdout.startswith("usage: python -m ranparity.run")
