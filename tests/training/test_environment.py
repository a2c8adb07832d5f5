from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ranparity.training import environment


def test_what_is_described() -> None:
    described = environment.describe("torch", "cpu", {"threads": 2, "switch": True})
    assert described["framework"].startswith("torch ")
    assert (described["device"], described["threads"]) == ("cpu", 2)
    assert described["switches"] == {"threads": 2, "switch": True}
    assert all(described.values())


def test_the_processor_is_named(tmp_path: Path) -> None:
    information = tmp_path / "cpuinfo"
    information.write_text("processor\t: 0\nmodel name\t: A Chip\nmodel name\t: A Chip\n")
    assert environment.processor(information) == "A Chip"
    assert environment.processor(tmp_path / "none") != "A Chip"


def test_peak_memory_is_in_bytes_and_grows_with_what_is_used() -> None:
    before = environment.peak_memory()
    assert before is not None
    assert before > 10_000_000  # Python alone has more
    taken = b"x" * (before + 50_000_000)
    after = environment.peak_memory()
    assert after is not None
    assert after >= len(taken)


def test_peak_memory_is_this_programs_and_not_its_parents() -> None:
    taken = b"x" * 300_000_000
    code = "from ranparity.training.environment import peak_memory; print(peak_memory())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(child.stdout) < len(taken) / 2


def test_a_peak_is_forgotten_where_the_system_can_do_that() -> None:
    taken = bytearray(300_000_000)
    before = environment.peak_memory() or 0
    del taken
    environment.forget_peak()
    after = environment.peak_memory() or 0
    assert (after < before - 200_000_000) == (sys.platform == "linux")


def test_the_source_digest_sees_contents_and_names_of_python_files_alone(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "sub" / "b.py").write_text("2")
    digests = [environment.source_digest(tmp_path)]
    (tmp_path / "c.txt").write_text("3")
    assert environment.source_digest(tmp_path) == digests[0]
    (tmp_path / "a.py").write_text("9")
    digests.append(environment.source_digest(tmp_path))
    (tmp_path / "a.py").rename(tmp_path / "z.py")
    digests.append(environment.source_digest(tmp_path))
    assert len(set(digests)) == 3
