"""The first screen: each cell says what is known, and what is not known is said too."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ranparity.models import zoo
from ranparity.report import matrix, records
from ranparity.report.document import Cell, Folded, Table
from ranparity.report.ladder_record import LADDER, OPINIONS
from tests.report import ladder_samples, samples
from tests.report.test_structure import words

NET = "Attention-56-CIFAR"


def tables(files: samples.Files) -> list[Table]:
    """That of nets that the ladder has seen, then those that are folded."""
    found = list(matrix.blocks(records.evidence(files)))
    folded = [each for block in found if isinstance(block, Folded) for each in block.blocks]
    return [block for block in (*found, *folded) if isinstance(block, Table)]


def cells(table: Table, net: str) -> dict[tuple[str, str], Cell]:
    """A net's cells, by level and backend."""
    (row,) = [row for row in table.rows if words(row[0].text) == net]
    places = [(column.group, words(column.title)) for column in table.columns]
    return dict(zip(places[1:], row[1:], strict=True))


def reports(*results: ladder_samples.Result, **changes: dict[str, str]) -> samples.Files:
    return samples.reports() | {LADDER: ladder_samples.ladder(*results, **changes)}


def test_a_cell_has_a_verdict_in_words_the_count_and_leads_to_the_evidence() -> None:
    found = cells(tables(reports())[0], NET)
    assert len(found) == 6 * len(samples.BACKENDS)
    structure = found["0 structure", "jax"]
    assert (words(structure.text), structure.tone) == ("✓ pass 1,000", "pass")
    forward = found["1 forward", "torch"]
    assert (words(forward.text), forward.tone) == ("✓ pass 2", "pass")
    assert forward.text[0].href == f"layers/{NET}.md"
    assert found["5 free run", "jax"].tone == "pass"


def test_what_nobody_has_run_says_so() -> None:
    found = cells(tables(reports())[0], NET)
    for place in (("4 lockstep", "torch"), ("1 forward", "jax")):
        assert (words(found[place].text), found[place].tone) == ("not run", "absent")
    without = samples.reports()
    del without["data/check-jax.json"]
    (only,) = tables(without)
    assert words(cells(only, NET)["0 structure", "jax"].text) == "not run"
    assert len(only.rows) == len(zoo.ENTRIES) + 1


def test_one_result_that_differs_speaks_for_its_cell_and_its_column() -> None:
    good, bad = ladder_samples.result(1, 0.5), ladder_samples.result(1, 0.5, 777.0)
    found = tables(reports(good, bad))[0]
    for net in (NET, "All of these"):
        cell = cells(found, net)["1 forward", "torch"]
        assert (words(cell.text), cell.tone) == ("✗ fail 3", "fail")


def test_a_backend_that_died_has_failed_at_what_it_was_asked() -> None:
    found = cells(tables(reports(failures={"jax": "killed by signal 9"}))[0], NET)
    assert {level for (level, name), cell in found.items() if words(cell.text) == "✗ failed"} == {
        "1 forward",
        "2 gradient",
        "5 free run",
    }
    assert found["1 forward", "torch"].tone == "pass"


def test_a_damaged_record_is_never_taken_for_a_pass_or_a_gap() -> None:
    files = samples.reports() | {LADDER: b"{", "data/check-torch.json": b"{"}
    found = cells(tables(files)[0], NET)
    assert words(found["0 structure", "torch"].text) == "✗ failed"
    assert words(found["0 structure", "jax"].text) == "✓ pass 1,000"
    for level in range(1, 6):
        cell = found[matrix.TITLES[level], "tensorflow"]
        assert (words(cell.text), cell.tone) == ("✗ unreadable", "fail")


def test_nets_of_which_only_the_structure_is_known_are_folded() -> None:
    shown, folded = tables(reports())
    assert [words(row[0].text) for row in shown.rows] == [NET, "All of these"]
    assert len(folded.rows) == len(zoo.ENTRIES)
    assert words(cells(folded, "All of these")["0 structure", "torch"].text).startswith("✓ pass")


def test_other_peoples_nets_are_a_table_of_their_own() -> None:
    case = dataclasses.replace(ladder_samples.CASE, model="vgg16.prototxt")
    result = dataclasses.replace(ladder_samples.result(1, 0.5), case=case)
    files = reports() | {OPINIONS: ladder_samples.ladder(result)}
    *_, others = tables(files)
    found = cells(others, "vgg16.prototxt")
    assert words(found["1 forward", "torch"].text) == "✓ pass 1"
    assert found["1 forward", "torch"].text[0].href == "#ladder"
    assert words(found["0 structure", "torch"].text) == "not run"


@pytest.mark.parametrize("change", ["verdict", "differences"])
def test_a_net_that_differs_at_level_0_differs_here(change: str) -> None:
    """A verdict that contradicts the differences is no verdict."""
    content = json.loads(samples.reports()["data/check-torch.json"])
    result = next(each for each in content["results"] if each["model"] == "attention56-cifar")
    row = dict.fromkeys(("size", "layer", "what", "keras", "prototxt"), "1")
    result |= (
        {"verdict": "fail"} if change == "verdict" else {"verdict": "fail", "differences": [row]}
    )
    files = samples.reports() | {"data/check-torch.json": samples.encoded(content)}
    cell = cells(tables(files)[0], NET)["0 structure", "torch"]
    assert words(cell.text) == ("✗ failed" if change == "verdict" else "✗ fail 1,000")
    assert cell.tone == "fail"
