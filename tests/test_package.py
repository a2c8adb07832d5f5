"""The project as it is shipped: the wheel, the pins, and what the README promises."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import ranparity
from ranparity import cli
from ranparity.models import zoo
from ranparity.report import schema_files
from tests.programs import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
README = (ROOT / "README.md").read_text()


def ours() -> list[str]:
    """Files of the project as git sees them: tracked, or new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that nothing is left in the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ours():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", os.fspath(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = out.iterdir()
    return path


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_holds_the_whole_package_and_its_prototxts(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = {name for name in ours() if name.startswith("ranparity/")}
    prototxts = {f"ranparity/{name}" for name in ours() if name.startswith("prototxt/")}
    assert names == package | prototxts
    assert len(prototxts) == len(zoo.ENTRIES)
    for name in ("py.typed", "caffe/caffe.proto", "caffe/caffe_pb2.pyi"):
        assert f"ranparity/{name}" in names
    assert any(name.startswith("ranparity/report/templates/") for name in names)
    schemas = {name for name in names if name.endswith(".schema.json")}
    assert schemas == {f"ranparity/report/{schema_files.path(n)}" for n in schema_files.KINDS}


def test_the_wheel_says_what_it_is(unpacked: Path) -> None:
    (folder,) = unpacked.glob("*.dist-info")
    assert "ranparity = ranparity.cli:main" in (folder / "entry_points.txt").read_text()
    told = (folder / "METADATA").read_text()
    assert f"\nVersion: {ranparity.__version__}\n" in told
    assert "\nRequires-Python: >=3.11\n" in told
    assert "\nLicense-Expression: MIT\n" in told
    for extra in ("torch", "tensorflow", "jax", "all", "dev"):
        assert f"\nProvides-Extra: {extra}\n" in told
    assert (folder / "licenses" / "LICENSE").is_file()


def test_an_unpacked_wheel_finds_its_own_files(unpacked: Path, tmp_path: Path) -> None:
    program = """if True:
        import json
        from importlib.resources import files
        import ranparity
        from ranparity import cli
        from ranparity.models import zoo
        from ranparity.report import schema_files
        net = zoo.entry("attentionnext92").prototxt
        print(json.dumps({
            "package": ranparity.__file__,
            "prototxts": [str(entry.prototxt) for entry in zoo.ENTRIES.values()],
            "template": files("ranparity.report").joinpath("templates/page.html").is_file(),
            "schemas": [schema_files.title(kind) for kind in schema_files.KINDS],
        }))
        raise SystemExit(cli.main(["shapes", str(net), "--json"]))
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.fspath(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, rest = done.stdout.split("\n", 1)
    found = json.loads(first)
    for path in (found["package"], *found["prototxts"]):
        assert Path(path).is_relative_to(unpacked)
    assert found["template"]
    assert len(found["schemas"]) == len(schema_files.KINDS)
    assert json.loads(rest)["totals"]["trainable_parameters"] == 52_102_952


# Versions.


def test_one_version() -> None:
    assert PROJECT["project"]["version"] == ranparity.__version__
    newest = re.search(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1].split(" ")[0].strip("[]") in ("Unreleased", ranparity.__version__)


def pins() -> dict[str, str]:
    """Versions by name, from constraints.txt; nothing but `name==version` may stand there."""
    found: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not (text := line.partition("#")[0].strip()):
            continue
        requirement = Requirement(text)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"{text}: not a pin"
        assert not specifier.version.endswith("*"), f"{text}: not one version"
        name = canonicalize_name(requirement.name)
        assert found.get(name, specifier.version) == specifier.version, f"{name} is pinned twice"
        found[name] = specifier.version
    return found


def requirements() -> list[Requirement]:
    """All that pyproject.toml names, what builds the project and what starts it included."""
    project = PROJECT["project"]
    texts = [*PROJECT["build-system"]["requires"], *project["dependencies"], "nox"]
    for extra in project["optional-dependencies"].values():
        texts += extra
    return [
        requirement for requirement in map(Requirement, texts) if requirement.name != "ranparity"
    ]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_requirement_is_pinned_to_a_version_that_it_allows(requirement: Requirement) -> None:
    version = pins().get(canonicalize_name(requirement.name))
    assert version, f"{requirement.name} is not pinned in constraints.txt"
    assert requirement.specifier.contains(version, prereleases=True)


def needed() -> Iterator[str]:
    """Every distribution that ours and those that it needs ask for, here and now.

    One that is asked for in one version only (as torch asks for CUDA's parts) is pinned by that.
    """
    todo = [("ranparity", ("torch", "tensorflow", "jax", "dev"))]
    seen = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        yield name
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            marker = requirement.marker
            if any(part.operator == "==" for part in requirement.specifier):
                continue
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                todo.append((canonicalize_name(requirement.name), tuple(requirement.extras)))


def test_what_is_needed_by_what_is_needed_is_pinned_too() -> None:
    names = set(needed()) - {"ranparity"}
    assert {"numpy", "torch", "tensorflow", "jax", "keras", "pluggy"} <= names
    assert sorted(names - set(pins())) == []


# What the README promises.


def test_the_two_commands() -> None:
    commands = re.findall(r"^python -m pip install nox && nox -s (\w+)$", README, re.MULTILINE)
    assert commands == ["report", "tests"]
    lines = README.splitlines()
    assert lines.index("python -m pip install nox && nox -s tests") < 30, "it opens with them"


def test_the_sessions_are_there_and_described() -> None:
    command = [sys.executable, "-m", "nox", "--list", "--nocolor"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    sessions = dict(re.findall(r"^[*-] ([\w-]+) -> (.+)$", done.stdout, re.MULTILINE))
    wanted = {"tests", "lint", "train-torch", "train-tensorflow", "train-jax", "report"}
    text = README + (ROOT / "CONTRIBUTING.md").read_text()
    assert wanted | set(re.findall(r"nox -s ([a-z][\w-]+)", text)) <= set(sessions)


COMMANDS = re.findall(r"(?:^|`)(?:KERAS_BACKEND=\w+ )?(ranparity [^`\n#]*)", README, re.MULTILINE)


def test_the_readme_shows_commands() -> None:
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readmes_commands_are_commands(command: str) -> None:
    words = shlex.split(command)[1:]
    if words == ["export"]:  # named, not shown
        words.append("attention56")
    assert cli.parser().parse_args(words).execute


def test_the_readmes_table_of_models_is_the_zoos() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \| `\w+` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", README, re.MULTILINE
    )
    told = {name: tuple(int(text.replace(",", "")) for text in row) for name, *row in rows}
    assert told == {
        name: (
            entry.integers.layers,
            entry.integers.trainable_parameters,
            entry.integers.macs,
        )
        for name, entry in zoo.ENTRIES.items()
    }
