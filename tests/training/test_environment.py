from __future__ import annotations

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
