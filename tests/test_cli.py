"""The command line: its help, its exit status, and how it ends when things go wrong."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ranparity as package
from ranparity import cli
from ranparity.errors import InputError
from tests.programs import LIMIT, RANPARITY, ROOT, environment, module, ranparity

NET = "prototxt/Attention-92.prototxt"
PATIENCE = 4  # seconds, of which the end of a program needs a tenth of one


def commands() -> list[str]:
    """The names of all commands."""
    (choices,) = (
        action.choices
        for action in cli.parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return list(choices)


def test_every_command_is_there() -> None:
    assert {"shapes", "check", "export", "run", "report"} <= set(commands())


@pytest.mark.parametrize("command", [(), *((name,) for name in commands())], ids=" ".join)
def test_help(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main([*command, "--help"])
    assert error.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: {' '.join(['ranparity', *command])} ")
    assert "-h, --help" in out
    assert max(map(len, out.splitlines())) <= 100
    for line in out.splitlines():
        assert "None" not in line, "a default that is not told"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main(["--version"])
    assert error.value.code == 0
    assert capsys.readouterr().out == f"ranparity {package.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "last"),
    [
        ([], "ranparity: error: the following arguments are required: COMMAND"),
        (["shape"], "ranparity: error: argument COMMAND: invalid choice: 'shape'"),
        (["shapes"], "ranparity shapes: error: the following arguments are required: file"),
        (["shapes", "a", "b"], "ranparity: error: unrecognized arguments: b"),
        (["shapes", "a", "--depth", "3"], "ranparity: error: unrecognized arguments: --depth 3"),
        (["export"], "ranparity export: error: the following arguments are required: model"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line(
    arguments: list[str], last: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main(arguments)
    assert error.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    usage, *_, problem = captured.err.splitlines()
    assert usage.startswith("usage: ranparity")
    assert problem.startswith(last)


# How a command's end becomes the program's.


def raising(error: BaseException) -> argparse.Namespace:
    def execute(_: argparse.Namespace) -> int:
        print("so far")
        raise error

    return argparse.Namespace(execute=execute)


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("net.prototxt:\n  no\tgood"), 2, "ranparity: net.prototxt: no good"),
        (KeyboardInterrupt(), 130, "ranparity: interrupted"),
        (
            OSError(28, "No space left on device", "runs/steps.jsonl"),
            2,
            "ranparity: [Errno 28] No space left on device: 'runs/steps.jsonl'",
        ),
    ],
    ids=["bad input", "Ctrl-C", "a full disk"],
)
def test_ends(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.guarded(raising(error)) == status
    captured = capsys.readouterr()
    assert captured.err == line + "\n"
    assert captured.out == "so far\n", "what was printed before is not lost"


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        cli.guarded(raising(ZeroDivisionError()))


@pytest.mark.parametrize("status", [0, 1])
def test_a_commands_own_status(status: int) -> None:
    assert cli.guarded(argparse.Namespace(execute=lambda _: status)) == status


def test_an_error_is_one_printable_line() -> None:
    assert str(InputError("a\n\r\n\tb \x1b[31mred\x00\u2028c\x85d")) == (r"a b \x1b[31mred\x00 c d")
    assert str(InputError("naïve 残差 \ud83d")) == r"naïve 残差 \ud83d"


# The real program.


def test_the_two_ways_to_start_it_are_one() -> None:
    script, python = ranparity("shapes", NET), module("ranparity", "shapes", NET)
    assert script.returncode == python.returncode == 0
    assert script.stdout == python.stdout
    assert script.stderr == python.stderr == ""


@pytest.mark.parametrize("option", [(), ("--json",)], ids=["table", "json"])
def test_a_reader_that_has_seen_enough(option: tuple[str, ...]) -> None:
    """As `ranparity shapes ... | head -1`."""
    process = subprocess.Popen(
        [RANPARITY, "shapes", NET, *option],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().strip()
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(LIMIT) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there is no shell for it on Windows")
@pytest.mark.parametrize(
    ("redirection", "status", "errors"),
    [
        (">/dev/full", 2, "ranparity: [Errno 28] No space left on device\n"),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&-", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full(redirection: str, status: int, errors: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" shapes {NET} {redirection}', RANPARITY],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, errors)


def test_a_refusal_with_nobody_to_tell() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" shapes missing 2>&-', RANPARITY],
        env=environment(),
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


def test_a_terminal_that_cannot_show_a_name(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    text = (ROOT / "prototxt" / "Attention-56-CIFAR.prototxt").read_text()
    path.write_text(text.replace("Attention-56-CIFAR", "残差"), encoding="utf-8")
    done = ranparity("shapes", str(path), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert done.stdout.startswith(r"\u6b8b\u5dee, input data 1x3x32x32")


def interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Interrupts a program that waits; again if it does not end, as one would at a terminal.

    A signal that comes just before Python begins to wait is only looked at after the wait.
    """
    for _ in range(LIMIT // PATIENCE):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=PATIENCE)
    raise AssertionError("still running")


def test_ctrl_c_ends_in_one_line(tmp_path: Path) -> None:
    """Interrupted while it waits for the rest of a net from a pipe."""
    pipe = tmp_path / "net.prototxt"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [RANPARITY, "shapes", str(pipe)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    with pipe.open("w") as writer:  # opens when the program has opened it, too
        writer.write('name: "net"')
        writer.flush()
        out, errors = interrupted(process)
    assert (process.returncode, out, errors) == (130, "", "ranparity: interrupted\n")
