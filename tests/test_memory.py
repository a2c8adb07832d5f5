"""Tests of how much memory a process takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ranparity import memory


def test_the_peak_is_in_bytes_and_grows_with_what_is_used() -> None:
    before = memory.peak()
    assert before is not None
    assert before > 10_000_000  # Python alone has more
    taken = b"x" * (before + 50_000_000)
    after = memory.peak()
    assert after is not None
    assert after >= len(taken)


def test_the_peak_is_this_programs_and_not_its_parents() -> None:
    taken = b"x" * 300_000_000
    code = "from ranparity.memory import peak; print(peak())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(child.stdout) < len(taken) / 2


def test_a_peak_is_forgotten_where_the_system_can_do_that() -> None:
    taken = bytearray(300_000_000)
    before = memory.peak() or 0
    del taken
    memory.forget_peak()
    after = memory.peak() or 0
    assert (after < before - 200_000_000) == (sys.platform == "linux")


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap, as Linux tells of it")
def test_a_process_gives_back_what_is_free_once_it_has_much() -> None:
    code = """
import gc
from ranparity import memory
kept = [bytearray(60_000) for _ in range(6_000)]  # pieces too small for maps of their own
del kept[:-1]
now = memory._of_linux("VmRSS")
memory.give_back(more_than=1 << 40)
same = memory._of_linux("VmRSS")
memory.give_back(more_than=0)
print(now - same, now - memory._of_linux("VmRSS"))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kept, gone = map(int, ran.stdout.split())
    assert abs(kept) < 20_000_000
    assert gone > 200_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap, as Linux tells of it")
@pytest.mark.parametrize("kept", [False, True])
def test_what_is_freed_stays_with_a_process_that_keeps_it(kept: bool) -> None:
    code = f"""
from ranparity import memory
assert not {kept} or memory.keep()
taken = bytearray(300_000_000)
del taken
print(memory._of_linux("VmRSS"))
"""
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (int(child.stdout) > 300_000_000) == kept
