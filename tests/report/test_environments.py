from __future__ import annotations

import json
from typing import Any

from ranparity.report import environments, page, records
from ranparity.report.document import Paragraph, Table
from ranparity.report.ladder_record import LADDER
from tests.report import ladder_samples, picture_samples, samples
from tests.report.test_structure import row, words

CHECK = "data/check-torch.json"


def read(**changes: Any) -> records.Evidence:
    """Evidence whose check on torch was made in another environment."""
    environment = samples.check("torch")["environment"] | changes
    files = samples.spoilt(samples.reports(), CHECK, environment=environment)
    return records.evidence(files)


def warnings(evidence: records.Evidence) -> list[str]:
    return [words(block.text) for block in environments.warnings(evidence)]


def section(evidence: records.Evidence) -> tuple[str, Table]:
    *blocks, table = environments.section(evidence).blocks
    assert isinstance(table, Table)
    return "\n".join(words(block.text) for block in blocks if hasattr(block, "text")), table


def test_one_environment_is_told_once_without_a_warning() -> None:
    evidence = read()
    same, table = section(evidence)
    assert warnings(evidence) == []
    assert "Python 3.11.7; ranparity 0.1.0; package source 555555555555…; Keras 3.15.1" in same
    assert "threads 2" in same
    assert [words(column.title) for column in table.columns] == ["Record", "framework", "switches"]
    cells = [words(cell.text) for cell in row(table, "report-jax")]
    assert cells == ["report-jax", "jax 1.0", "threads = 2, deterministic = true"]


def test_another_source_or_version_is_a_warning_and_a_column() -> None:
    for key, name in (("source_digest", "package source"), ("numpy", "NumPy"), ("processor",) * 2):
        evidence = read(**{key: "6" * 64})
        (warning,) = warnings(evidence)
        assert warning.startswith("Warning: the records come from different environments")
        assert f"they differ in {name}." in warning
        _, table = section(evidence)
        assert name in [words(column.title) for column in table.columns]


def test_two_versions_of_one_framework_are_a_warning() -> None:
    (warning,) = warnings(read(framework="torch 2.0"))
    assert "they differ in the version of torch." in warning


def test_what_one_record_does_not_say_is_no_difference() -> None:
    assert warnings(read(numpy=None)) == []


def test_a_record_without_an_environment_is_named() -> None:
    files = samples.spoilt(samples.reports(), CHECK, environment=None)
    (warning,) = warnings(records.evidence(files))
    assert warning == "Warning: no environment is recorded in check, torch."


def test_parts_made_in_several_places_are_told_apart() -> None:
    run = samples.run("jax")
    elsewhere = run["environment"] | {"framework": "torch 1.0", "processor": "Another"}
    parts = [{"first_step": 1, "backend": "torch", "environment": elsewhere}]
    parts += [{"first_step": 41, "backend": "jax", "environment": run["environment"]}]
    path = "data/runs/report-jax/run.json"
    evidence = records.evidence(samples.spoilt(samples.reports(), path, parts=parts))
    (warning,) = warnings(evidence)
    assert "they differ in processor." in warning
    _, table = section(evidence)
    assert [words(cell.text) for cell in row(table, "report-jax, part 1")][1:3] == [
        "torch 1.0",
        "Another",
    ]
    assert row(table, "report-jax, part 2")


def test_parts_made_in_one_place_are_one_row() -> None:
    run = samples.run("jax")
    parts = [run["parts"][0] | {"first_step": step} for step in (1, 41)]
    path = "data/runs/report-jax/run.json"
    _, table = section(records.evidence(samples.spoilt(samples.reports(), path, parts=parts)))
    names = [words(row[0].text) for row in table.rows]
    assert [name for name in names if "jax" in name] == [
        "check, jax",
        "report-jax",
        "endurance, jax",
    ]


def test_where_pictures_were_made_is_told_too() -> None:
    found = environments.places(records.evidence(picture_samples.reports()))
    names = [place.record for place in found]
    assert names[names.index("masks, report-torch") + 1] == "features, report-torch"
    damaged = picture_samples.reports() | {picture_samples.MASKS: b"{"}
    found = environments.places(records.evidence(damaged))
    assert "masks, report-torch" not in [place.record for place in found]


def test_no_records_have_no_environment() -> None:
    assert warnings(records.evidence({})) == []
    (only,) = environments.section(records.evidence({})).blocks
    assert words(only.text) == "No record says where it was made."  # type: ignore[union-attr]


def test_a_section_warns_of_its_own_records_alone() -> None:
    """The tables of level 0 put two sources together here, and no others do."""
    files = samples.reports()
    other = samples.ENVIRONMENT | {"source_digest": "f" * 64}
    files = samples.spoilt(files, "data/check-jax.json", environment=other)
    found = records.evidence(files)
    told = {
        section.name: [words(b.text) for b in section.blocks if isinstance(b, Paragraph) and b.tone]
        for section in page.document(found, []).sections
    }
    assert told["structure"][0].startswith("Warning: the records come from")
    assert "differ in package source." in told["structure"][0]
    for name in ("training", "endurance", "zoo", "alterations"):
        assert not [said for said in told[name] if said.startswith("Warning: the records")]
    alike = page.document(records.evidence(samples.reports()), []).sections[0]
    assert not any(getattr(block, "tone", "") == "warning" for block in alike.blocks)


def test_each_place_where_a_case_of_the_ladder_ran_is_told() -> None:
    content = json.loads(ladder_samples.ladder())
    (case,) = content["cases"].values()
    again = json.loads(json.dumps(case))
    again["case"]["model"] = "dranet-cifar"
    again["environments"]["torch"]["threads"] = 1
    content["cases"] |= {"b": again, "c": case}
    found = records.evidence({LADDER: samples.encoded(content)})
    names = [place.record for place in environments.places(found)]
    assert names == ["ladder, torch", "ladder, torch, dranet-cifar, float32"]
    (warning,) = environments.banner(found, "ladder")
    assert "differ in threads." in words(warning.text)
    assert list(environments.banner(found, "judge")) == []
