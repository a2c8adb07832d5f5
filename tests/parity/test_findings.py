"""Defects of frameworks: the runner of their scripts, and that committed answers are still so."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ranparity.errors import InputError
from ranparity.parity import findings, sessions
from ranparity.report import records
from ranparity.report.findings_record import Finding
from tests.programs import ROOT, environment

SCRIPTS = ROOT / findings.FOLDER
COMMITTED = findings.scripts(SCRIPTS)
WORKER = ROOT / "tests" / "parity" / "findings_worker.py"
ON = re.compile(r'"KERAS_BACKEND"\] = "(\w+)"')
ALONE = ("tensorflow", "jax", "cv2", "torch")
OTHERWISE = {
    "jax_checkpoint": [
        ("jax.checkpoint(four_layers)", "lambda x, k: four_layers(x, k) + four_layers(2 * x, k)")
    ],
    "opencv_axpy": [('bottom: "x" bottom: "y"', 'bottom: "y" bottom: "x"')],
    "opencv_lrn_alpha": [('top: "norm"', 'top: "norm" lrn_param { alpha: 1 }')],
    "opencv_lrn_k": [("k: 3", "k: 1"), ("4**-0.75", "2**-0.75")],
    "opencv_phase": [('"ReLU"', '"Power"')],
    "tensorflow_convolution_1x1": [("strides=2", "strides=1"), ("::2, ::2", ":, :")],
    "tensorflow_dilated_gradient": [("tf.float64", "tf.float32")],
    "tensorflow_grouped_gradient": [("tf.float64", "tf.float32")],
    "tensorflow_leaky_relu": [("alpha=0.1", "alpha=0.5"), ("found + 0.1", "found + 0.5")],
    "torch_convolution_1x1": [("stride=2", "stride=1"), ("::2, ::2", ":, :")],
}
"""What a script asks about in place of the defect, where no other backend of Keras's is asked."""
REMEDY = "run `nox -s findings` and `ranparity report`, and commit reports/"

# The committed scripts and their record.


@pytest.fixture(scope="module")
def recorded() -> dict[str, Finding]:
    found = records.evidence(records.load(ROOT / "reports")).findings
    assert found, f"reports/data/findings.json is missing: {REMEDY}"
    assert not found.error, found.error
    return {finding.id: finding for finding in found.findings}


def group(text: str) -> str:
    """What a script imports that takes longest, its Keras's backend or the framework itself."""
    (only,) = ON.findall(text) or [each for each in ALONE if f"import {each}" in text]
    return str(only)


def altered(name: str, text: str) -> str:
    """A script that asks about what has not got the defect: on another backend, or otherwise."""
    if name in OTHERWISE:
        for old, new in OTHERWISE[name]:
            assert old in text
            text = text.replace(old, new)
        return text
    (backend,) = ON.findall(text)
    other = "torch" if backend == "tensorflow" else "tensorflow"
    return ON.sub(f'"KERAS_BACKEND"] = "{other}"', text)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], dict[str, Any]]:
    """What each committed script says here and now, and what each says that is altered.

    As the runner's `judged` tells it. Scripts that import the same run in one process, one after
    the other.
    """
    folder = tmp_path_factory.mktemp("altered")
    asked: dict[str, list[tuple[str, bool, Path]]] = {}
    for name, script in COMMITTED.items():
        path, whole = folder / f"{name}.py", "\n".join(script.lines)
        text = altered(name, whole)
        path.write_text(text)
        asked.setdefault(group(whole), []).append((name, False, SCRIPTS / f"{name}.py"))
        asked.setdefault(group(text), []).append((name, True, path))
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(run_together, [[path for *_, path in each] for each in asked.values()])
        keys = [(name, other) for each in asked.values() for name, other, _ in each]
        return dict(zip(keys, (row for rows in found for row in rows), strict=True))


def run_together(paths: list[Path], *options: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, os.fspath(WORKER), *options, *map(os.fspath, paths)],
        env=environment(TF_CPP_MIN_LOG_LEVEL="3"),
        capture_output=True,
        encoding="utf-8",
        timeout=findings.LIMIT,
        check=False,
    )
    ended = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(ended) == len(paths), f"{paths}: {done.returncode}: {done.stderr[-2000:]}"
    return [findings.judged(findings.Outcome(**each)) for each in ended]


def test_the_record_has_each_script_as_it_is(recorded: dict[str, Finding]) -> None:
    assert list(recorded) == list(COMMITTED), REMEDY
    for name, script in COMMITTED.items():
        assert recorded[name].script == script.lines, (
            f"{name}.py has changed since its record: {REMEDY}"
        )
        assert recorded[name].title == script.title
        assert recorded[name].description == script.description


@pytest.mark.parametrize("name", COMMITTED)
def test_the_installed_version_is_as_the_record_says(
    name: str, recorded: dict[str, Finding], said: dict[tuple[str, bool], dict[str, Any]]
) -> None:
    answer, finding = said[name, False], recorded[name]
    assert finding.answered, f"{name} has no answer in the record: {REMEDY}"
    assert "has" in answer, f"{name}: {findings.line(answer)}"
    then = findings.line({"has": finding.has, "versions": finding.versions})
    mended = "see whether what goes around it here can go, " if finding.has else ""
    assert answer["has"] == finding.has, (
        f"{name} ({finding.title}): {findings.line(answer)}, and the record says {then}: "
        f"{mended}{REMEDY}"
    )


@pytest.mark.parametrize("name", COMMITTED)
def test_a_script_can_say_that_the_defect_is_gone(
    name: str, said: dict[tuple[str, bool], dict[str, Any]]
) -> None:
    answer = said[name, True]
    assert answer.get("has") is False, answer


def test_a_script_whose_framework_is_not_installed_says_so() -> None:
    without = f"--without=keras,{','.join(ALONE)}"
    rows = run_together([SCRIPTS / f"{name}.py" for name in COMMITTED], without)
    for name, row in zip(COMMITTED, rows, strict=True):
        assert row.get("missing") in ("keras", *ALONE), f"{name}: {row}"


@pytest.mark.parametrize("name", COMMITTED)
def test_a_script_stands_alone(name: str) -> None:
    tree = ast.walk(ast.parse("\n".join(COMMITTED[name].lines)))
    nodes = [node for node in tree if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = [getattr(node, "module", None) or node.names[0].name for node in nodes]
    assert not [module for module in modules if module.startswith(("ranparity", "tests", "."))]


# The runner, with scripts made for it.

SCRIPT = '"""What is wrong.\n\nExpected: this.\n\nFound:\nthat.\n"""\n\n'
SAYS = "print('versions: keras 3.15.1, torch 2.13.0')\nprint({!r})\nraise SystemExit({})\n"
LACKING = "print('not installed: torch')\nraise SystemExit(2)\n"
THERE, GONE = SAYS.format("still there", 1), SAYS.format("gone", 0)
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def written(**bodies: str) -> Path:
        folder = tmp_path / "scripts"
        folder.mkdir(exist_ok=True)
        for name, body in bodies.items():
            (folder / f"{name}.py").write_text(SCRIPT + body)
        return folder

    return written


def run(folder: Path, *names: str) -> int:
    out = folder.parent / "data"
    return findings.main([*names, "--scripts", str(folder), "--out", str(out)])


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((folder.parent / "data" / "findings.json").read_text())
    return {row["id"]: row for row in content["findings"]}


def test_what_a_script_says_is_written_down(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make(b_there=THERE, a_gone=GONE)
    assert run(folder) == 0, "that a defect is there is no failure"
    found = rows(folder)
    assert list(found) == ["a_gone", "b_there"]
    assert [row["has"] for row in found.values()] == [False, True]
    there = found["b_there"]
    assert there["title"] == "What is wrong"
    assert there["description"] == ["Expected: this.", "Found: that."]
    assert there["versions"] == {"keras": "3.15.1", "torch": "2.13.0"}
    assert there["printed"] == ["versions: keras 3.15.1, torch 2.13.0", "still there"]
    assert there["digest"] == hashlib.sha256((folder / "b_there.py").read_bytes()).hexdigest()
    assert "\n".join(there["script"]) + "\n" == (folder / "b_there.py").read_text()
    assert there["environment"]["source_digest"] == sessions.source()
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "a_gone: What is wrong"
    assert told[1].startswith("a_gone: gone with keras 3.15.1, torch 2.13.0, ")
    assert told[3].startswith("b_there: still there with keras 3.15.1, torch 2.13.0, ")


def test_what_is_written_down_is_read_by_the_report(make: Make) -> None:
    folder = make(a=THERE, b=GONE, c="raise SystemExit(3)", d=LACKING)
    assert run(folder) == 1
    record = records.evidence(
        {"data/findings.json": (folder.parent / "data" / "findings.json").read_bytes()}
    ).findings
    assert record is not None
    assert record.error == ""
    assert [finding.has for finding in record.findings] == [True, False, False, False]
    assert [finding.answered for finding in record.findings] == [True, True, False, False]


BROKEN = {
    "raise ValueError('no such thing')": (
        "ended with status 1, with which 'still there' is the last line; it printed 'nothing': "
        "ValueError: no such thing"
    ),
    "import module_that_is_not_there": (
        "ended with status 1, with which 'still there' is the last line; it printed 'nothing': "
        "ModuleNotFoundError: No module named 'module_that_is_not_there'"
    ),
    "print('gone', flush=True)\nimport os\nos.kill(os.getpid(), 9)": (
        "killed by signal 9 (SIGKILL): nothing on stderr"
    ),
    THERE.replace("SystemExit(1)", "SystemExit(0)"): (
        "ended with status 0, with which 'gone' is the last line; it printed 'still there': "
        "nothing on stderr"
    ),
    GONE.replace("SystemExit(0)", "SystemExit(1)"): (
        "ended with status 1, with which 'still there' is the last line; it printed 'gone': "
        "nothing on stderr"
    ),
    "print('versions: a 1')\nprint('gone')\nprint('\\x1b[31mrubbish')": (
        "ended with status 0, with which 'gone' is the last line; it printed '\\\\x1b[31mrubbish': "
        "nothing on stderr"
    ),
    "print('gone')": 'expected a line "versions: NAME VERSION, ...", found none',
    "print('versions: torch')\nprint('gone')": (
        'expected a line "versions: NAME VERSION, ...", found none'
    ),
    "print('no torch')\nraise SystemExit(2)": "ended with status 2: nothing on stderr",
    "raise SystemExit(3)": "ended with status 3: nothing on stderr",
    "import sys\nsys.stdout.buffer.write(b'\\xff')": (
        "ended with status 0, with which 'gone' is the last line; it printed "
        "'\N{REPLACEMENT CHARACTER}': nothing on stderr"
    ),
}


@pytest.mark.parametrize("body", BROKEN)
def test_a_script_that_breaks_is_an_error_and_no_answer(body: str, make: Make) -> None:
    folder = make(broken=body)
    assert run(folder) == 1
    row = rows(folder)["broken"]
    assert row["error"] == BROKEN[body]
    assert "has" not in row


def test_what_is_not_installed_is_no_answer(make: Make) -> None:
    folder = make(a=LACKING)
    assert run(folder) == 1
    row = rows(folder)["a"]
    assert row["missing"] == "torch"
    assert {"has", "error"}.isdisjoint(row)


def test_a_script_that_hangs_is_ended(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "LIMIT", 0.5)
    folder = make(hangs="import time\ntime.sleep(60)")
    begun = time.monotonic()
    assert run(folder) == 1
    assert time.monotonic() - begun < 30
    assert rows(folder)["hangs"]["error"].startswith("ended by force after 0.5 seconds")


def test_a_script_has_a_process_and_an_empty_folder_of_its_own(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "import os\nprint(os.listdir(), os.environ.get('KERAS_BACKEND'))\n"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    folder = make(a=body + GONE)
    run(folder)
    assert rows(folder)["a"]["printed"][0] == "[] None"


def test_only_those_that_are_named_are_run_and_the_others_kept(make: Make) -> None:
    folder = make(a=THERE, b=THERE, c=THERE)
    run(folder)
    make(a=GONE, b=GONE)
    (folder / "c.py").unlink()
    assert run(folder, "b") == 0
    assert {name: row["has"] for name, row in rows(folder).items()} == {"a": True, "b": False}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.py", "x = 1\n", "a.py: expected a docstring of a title, an empty line and a descript"),
        ("a.py", '"""Only a title."""\n', "a.py: expected a docstring of a title, an empty line"),
        ("a.py", "def (:\n", "a.py: expected a script in Python: invalid syntax"),
        ("a-b.py", SCRIPT, "a-b.py: expected a name of lower-case letters, digits and _"),
        ("a.txt", SCRIPT, "expected scripts of findings, found none: start this in a checkout, or"),
    ],
)
def test_what_is_no_script_of_a_finding_is_refused(
    file: str, content: str, message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / file).write_text(content)
    with pytest.raises(InputError) as caught:
        run(folder)
    assert message in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_an_unknown_name_is_refused(make: Make) -> None:
    folder = make(a=GONE, b=GONE)
    with pytest.raises(InputError) as caught:
        run(folder, "c")
    assert str(caught.value) == "unknown finding 'c': expected one of a, b"


def test_a_damaged_record_is_not_written_over(make: Make) -> None:
    folder = make(a=GONE)
    path = folder.parent / "data" / "findings.json"
    path.parent.mkdir()
    path.write_text('{"nets": []}')
    with pytest.raises(InputError) as caught:
        run(folder)
    assert str(caught.value) == (
        f"{path}: expected the record of a findings session: KeyError: 'findings': move it away"
    )
    assert path.read_text() == '{"nets": []}'


@pytest.fixture
def running(make: Make) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A session whose script waits, and the number of the script's process."""
    folder = make(
        a="import os, pathlib, time\npathlib.Path(__file__).with_name('process')"
        ".write_text(str(os.getpid()))\ntime.sleep(60)"
    )
    where = ("--scripts", str(folder), "--out", str(folder.parent / "data"))
    command = [sys.executable, "-m", "ranparity.parity.findings", *where]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        place = folder / "process"
        while process.poll() is None and not (place.is_file() and place.read_text()):
            time.sleep(0.05)
        yield process, int(place.read_text())
        process.kill()


def test_a_session_that_is_ended_ends_its_script(
    running: tuple[subprocess.Popen[str], int],
) -> None:
    process, script = running
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 143
    assert told.splitlines()[-1] == "ranparity: terminated"
    with pytest.raises(ProcessLookupError):
        os.kill(script, 0)
