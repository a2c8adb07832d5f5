"""Says of each defect found in a framework whether the installed version still has it.

`nox -s findings`, or `python -m ranparity.parity.findings --help`. A finding is a script of its own
in reports/findings, the smallest that shows the defect, which needs the framework and nothing of
ours:

    its docstring    what is wrong, in a line; then what is expected, what comes, with which version
                     it was seen, and why it matters
    what it prints   "versions: keras 3.15.1, torch 2.13.0", what was expected and what was found,
                     and one of `ANSWERS` as the last line; or "not installed: NAME"
    how it ends      with status 1 if the installed version has the defect, 0 if it has not, and 2
                     if what it needs is not installed

Each runs in a process of its own. Python also ends with 1 where a script breaks: so the last line
and the status must agree, and one that crashes, is killed or says something else has an error in
the record and never an answer. Nothing here imports a framework.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ranparity import schema
from ranparity.errors import InputError, printable
from ranparity.files import check_writable, write_text
from ranparity.parity import sessions
from ranparity.training import environment
from ranparity.workers import ending, last_lines

NAME = "findings.json"
FOLDER = Path("reports/findings")
STILL_THERE, GONE = "still there", "gone"
ANSWERS = {1: STILL_THERE, 0: GONE}
"""The last line that a script prints, by its exit status."""
LACKING = 2  # the exit status of a script that needs what is not installed
LIMIT = 300  # seconds for a script, of which most take five
ID = re.compile(r"[a-z][a-z0-9_]*")
VERSIONS = "versions: "
NOT_INSTALLED = "not installed: "
ANYWHERE = ("python", "ranparity", "keras", "numpy", "platform", "processor", "source_digest")
DESCRIPTION = """\
Run the scripts that show defects of frameworks, each in a process of its own, and write down which
the installed versions still have. Of those that are not named the record stays as it is.
"""


@dataclass(frozen=True)
class Script:
    """A finding's script.

    Attributes:
        id: Its file's name, without the suffix.
        title: What is wrong, in a line.
        description: The rest of its docstring, a paragraph each.
        lines: All of it.
    """

    id: str
    title: str
    description: tuple[str, ...]
    lines: tuple[str, ...]


def read(path: Path) -> Script:
    """Read a script.

    Raises:
        InputError: It has no docstring of a title and a description, or is not Python.
    """
    try:
        text = path.read_text(encoding="utf-8")
        documented = ast.get_docstring(ast.parse(text)) or ""
    except (SyntaxError, ValueError) as error:
        raise InputError(f"{path}: expected a script in Python: {error}") from None
    title, *description = (" ".join(part.split()) for part in re.split(r"\n\s*\n", documented))
    if not title or not description:
        raise InputError(
            f"{path}: expected a docstring of a title, an empty line and a description, found "
            f"{documented[:60]!r}"
        )
    lines = text.removesuffix("\n").split("\n")
    return Script(path.stem, title.removesuffix("."), tuple(description), tuple(lines))


def scripts(folder: Path) -> dict[str, Script]:
    """Read all scripts of a folder, by their ids and in the order of these.

    Raises:
        InputError: There is none, or one is no script of a finding.
    """
    paths = sorted(folder.glob("*.py"))
    if not paths:
        raise InputError(
            f"{folder}: expected scripts of findings, found none: start this in a checkout, or say "
            "with --scripts where they are"
        )
    for path in paths:
        if not ID.fullmatch(path.stem):
            raise InputError(f"{path}: expected a name of lower-case letters, digits and _")
    return {path.stem: read(path) for path in paths}


def digest(lines: Iterable[str]) -> str:
    """Give the SHA-256 of a script's text: of its lines, each with a newline."""
    return hashlib.sha256("".join(f"{each}\n" for each in lines).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """How a script has ended: its exit status, and what it has printed; None took too long."""

    status: int | None
    stdout: str = ""
    stderr: str = ""


def carry_out(path: Path) -> Outcome:
    """Run a script to its end, in an empty folder."""
    kept = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    with tempfile.TemporaryDirectory() as empty:
        try:
            done = subprocess.run(  # noqa: S603  (this same Python)
                [sys.executable, os.fspath(path.resolve())],
                cwd=empty,
                env=kept | {"TF_CPP_MIN_LOG_LEVEL": "3"},
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome(None)
    return Outcome(done.returncode, done.stdout, done.stderr)


def judged(outcome: Outcome) -> dict[str, Any]:
    """Give what follows from how a script has ended, as the record has it.

    Returns:
        `has`, whether the installed version has the defect, with the `versions` of what it
        concerns; or `missing`, what is not installed; or `error`, why there is no answer. And
        `printed`, lines.
    """
    lines = outcome.stdout.splitlines()
    last = lines[-1] if lines else ""
    found: dict[str, Any] = {"printed": [printable(line) for line in lines]}
    if outcome.status == LACKING and last.startswith(NOT_INSTALLED):
        return found | {"missing": printable(last.removeprefix(NOT_INSTALLED))}
    if outcome.status not in ANSWERS:
        return found | {"error": f"{_ending(outcome.status)}: {_last(outcome.stderr)}"}
    expected = ANSWERS[outcome.status]
    if last != expected:
        said = printable(last) or "nothing"
        wanted = f"{_ending(outcome.status)}, with which {expected!r} is the last line"
        return found | {"error": f"{wanted}; it printed {said!r}: {_last(outcome.stderr)}"}
    versions = _versions(lines)
    if not versions:
        return found | {"error": f'expected a line "{VERSIONS}NAME VERSION, ...", found none'}
    return found | {"has": outcome.status == 1, "versions": versions}


def _ending(status: int | None) -> str:
    return f"ended by force after {LIMIT} seconds" if status is None else ending(status)


def _last(stderr: str) -> str:
    """The last line that says something."""
    return printable(last_lines(stderr, 1))


def _versions(lines: Sequence[str]) -> dict[str, str]:
    """What a script has printed of versions, by the names of distributions."""
    for line in lines:
        if line.startswith(VERSIONS):
            pairs = [pair.split(" ") for pair in line.removeprefix(VERSIONS).split(", ")]
            if all(len(pair) == 2 and all(pair) for pair in pairs):
                return {pair[0]: pair[1] for pair in pairs}
    return {}


def described(script: Script, found: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Give what is written down of a finding, as JSON."""
    everywhere = environment.describe("keras", "", {"threads": 0})
    return {
        "id": script.id,
        "title": script.title,
        "description": list(script.description),
        "digest": digest(script.lines),
        **found,
        "script": list(script.lines),
        "seconds": round(seconds, 1),
        "environment": {key: everywhere[key] for key in ANYWHERE},
    }


def line(row: Mapping[str, Any]) -> str:
    """Give a finding's row of the record as a line for a reader."""
    if "error" in row:
        return f"FAILED: {row['error']}"
    if "missing" in row:
        return f"not run: {row['missing']} is not installed"
    versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
    return f"{STILL_THERE if row['has'] else GONE} with {versions}"


def main(argv: Sequence[str]) -> int:
    """Run the command line; gives the exit status: 0 done, 1 a script gave no answer, 2 bad input.

    That a defect is there is a result, and no failure.
    """
    parser = argparse.ArgumentParser(
        prog="python -m ranparity.parity.findings", description=DESCRIPTION
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="of a script, without .py (default: all)")
    add("--out", type=Path, default=Path("reports/data"), help="default: %(default)s")
    add("--scripts", type=Path, default=FOLDER, help="their folder (default: %(default)s)")
    args = parser.parse_args(argv)
    known = scripts(args.scripts)
    for name in args.names:
        if name not in known:
            raise InputError(f"unknown finding {name!r}: expected one of {', '.join(known)}")
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / NAME
    check_writable(path)
    rows = {name: row for name, row in _before(path).items() if name in known}
    answered = True
    for name in dict.fromkeys(args.names or known):
        sessions.say(f"{name}: {known[name].title}")
        begun = time.monotonic()
        found = judged(carry_out(args.scripts / f"{name}.py"))
        rows[name] = described(known[name], found, time.monotonic() - begun)
        sessions.say(f"{name}: {line(rows[name])}, {rows[name]['seconds']} s")
        answered &= "has" in found
        content = schema.versioned({"findings": [rows[each] for each in known if each in rows]})
        write_text(path, json.dumps(content, indent=1) + "\n")
    sessions.say(f"record: {path}")
    return 0 if answered else 1


def _before(path: Path) -> dict[str, dict[str, Any]]:
    """Give what the record has already, by id."""
    content = sessions.read_record(
        path, "a findings session", lambda content: [row["id"] for row in content["findings"]]
    )
    return {row["id"]: row for row in content["findings"]} if content else {}


if __name__ == "__main__":
    sys.exit(sessions.guarded(main))
