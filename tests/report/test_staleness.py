"""A result of a net whose prototxt has changed since is stale: told as such, and never a pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ranparity.claims import ledger
from ranparity.models import entry as entries
from ranparity.models import zoo
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.run import Found, description
from ranparity.report import (
    claim_status,
    ladder,
    matrix,
    records,
    render,
    staleness,
    structure,
    whole_zoo,
)
from ranparity.report.document import Cell, Table
from ranparity.report.ladder_record import LADDER, OPINIONS, QUICK
from tests.commands.test_report import call, put
from tests.report import ladder_samples, samples
from tests.report.test_structure import row, words

NAME = "attention56"
NET = zoo.ENTRIES[NAME]
FILE = "prototxt/Attention-56.prototxt"
CHECK = "data/check-torch.json"
CHANGED = f"{FILE} has changed since"
IN_THE_ZOO = [
    f"Zoo, {NAME} on {name}: stale: {CHANGED}: run nox -s zoo again (data/zoo-{name}.json)"
    for name in sorted(samples.BACKENDS)
]


@pytest.fixture(autouse=True)
def one_net(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A zoo of one net, whose prototxt these tests may change."""
    (tmp_path / "prototxt").mkdir()
    (tmp_path / FILE).write_bytes(NET.prototxt.read_bytes())
    monkeypatch.setattr(entries, "PROTOTXT_FOLDERS", (tmp_path / "prototxt",))
    monkeypatch.setattr(zoo, "ENTRIES", {NAME: NET})


def change() -> None:
    """Alters the net's prototxt, and be it by a comment."""
    with NET.prototxt.open("a") as file:
        file.write("# another\n")


def with_digests(backends: tuple[str, ...] = samples.BACKENDS) -> samples.Files:
    """Records that say of which file they are, as it is now; of level 0, the ladder and the zoo."""
    found = samples.reports()
    for backend in backends:
        path = f"data/check-{backend}.json"
        results = json.loads(found[path])["results"]
        results[0]["prototxt_digest"] = NET.prototxt_digest
        found = samples.spoilt(found, path, results=results)
        gone_through = samples.whole_zoo(backend)
        gone_through["nets"][0]["prototxt_digest"] = NET.prototxt_digest
        found |= {f"data/zoo-{backend}.json": samples.encoded(gone_through)}
    levels = laddered(NAME, FILE)
    return found | {
        LADDER: levels,
        QUICK: levels,
        OPINIONS: laddered("Attention-56.prototxt", FILE),
    }


def laddered(model: str, file: str) -> bytes:
    """The sample of the ladder as a record of a net."""
    text = ladder_samples.ladder().replace(b'"attention56-cifar"', json.dumps(model).encode())
    content = json.loads(text)
    for case in content["cases"].values():
        case |= {"prototxt": file, "prototxt_digest": NET.prototxt_digest}
    return samples.encoded(content)


def tables(found: Any) -> list[Table]:
    return [block for block in found.blocks if isinstance(block, Table)]


def cells(table: Table, net: str, place: int) -> list[Cell]:
    return [row[place] for row in table.rows if net in words(row[0].text)]


def test_what_has_not_changed_passes(tmp_path: Path) -> None:
    files = with_digests()
    found = records.evidence(files)
    assert list(found.checks["torch"].nets) == [NAME]
    assert found.checks["torch"].stale == {}
    assert {level.verdict for level in found.ladder.levels} == {"pass"}  # type: ignore[union-attr]
    assert found.zoo["torch"].nets[NAME].passed
    assert render.render(files).problems == ()
    assert call("--reports", put(tmp_path / "reports", files)) == 0


def test_what_has_changed_is_status_1_and_says_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = put(tmp_path / "reports", with_digests())
    change()
    assert call("--reports", folder) == 1
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        *(
            f"Structure of {NAME} on {backend}: stale: {CHANGED}: run nox -s report again "
            f"(data/check-{backend}.json)"
            for backend in samples.BACKENDS
        ),
        f"Ladder: {NAME}: stale: {CHANGED}: run nox -s report again ({QUICK})",
        f"Ladder: {NAME}: stale: {CHANGED}: run nox -s ladder-nets again ({LADDER})",
        f"Ladder: Attention-56.prototxt: stale: {CHANGED}: run nox -s second-opinion again "
        f"({OPINIONS})",
        *IN_THE_ZOO,
        "FAIL",
    ]
    page = (folder / "README.md").read_text()
    assert "**✗ FAIL** 9 findings stand against it" in page
    assert f"stale: [{CHANGED}](data/check-jax.json)" in page


def test_level_0_that_is_stale_is_no_pass_and_counts_for_nothing() -> None:
    files = with_digests(("torch",))  # the others are of before digests were written down
    change()
    found = records.evidence(files)
    table = structure.verdicts(found)
    first, *others = row(table, "Attention-56")[1:4]
    assert (words(first.text), first.tone) == (f"stale: {CHANGED}", "warning")
    assert {(words(other.text), other.tone) for other in others} == {
        ("✓ PASS 1,000 facts, 0 differ", "pass")
    }
    assert words(row(table, "All nets")[1].text) == "0 of 1 pass, 0 facts in 11.2 s"
    assert words(row(table, "All nets")[2].text) == "1 of 1 pass, 1,000 facts in 11.2 s"


def test_a_figure_is_not_reproduced_by_a_count_that_is_stale() -> None:
    files = {path: text for path, text in with_digests(("torch",)).items() if path == CHECK}
    known = ledger.load()

    def counted() -> set[str]:
        verdicts = claim_status.judge(known, records.evidence(files))
        return {v.status for v in verdicts if v.claim.measure.of == "structure" and not v.claim.why}

    assert counted() > {"not run"}
    change()
    assert counted() == {"not run"}


@pytest.mark.parametrize("path", [LADDER, QUICK, OPINIONS])
def test_levels_that_are_stale_are_no_pass_and_neither_are_free_runs(path: str) -> None:
    files = with_digests()
    files = samples.reports() | {path: files[path]}
    change()
    found = records.evidence(files)
    levels, *pairs = [table for table in tables(ladder.section(found)) if table.rows]
    stale = cells(levels, "Attention-56.prototxt", 3) or cells(levels, f"{NAME},", 3)
    shown = {(words(cell.text), cell.tone) for cell in stale if cell.tone != "absent"}
    assert shown == {(f"stale: {CHANGED}", "warning")}
    verdicts = {(words(r[1].text), r[1].tone) for r in pairs[0].rows if "torch" in words(r[0].text)}
    assert verdicts == {("stale", "warning")}
    assert ladder.summary(found) == "0 comparisons of tensors of 0 nets; 4 levels are stale."
    assert len(list(ladder.problems(found))) == 1


def test_a_level_that_failed_and_is_stale_is_told_once() -> None:
    content = json.loads(ladder_samples.ladder(ladder_samples.result(1, 777.0)))
    for case in content["cases"].values():
        case |= {"prototxt": FILE, "prototxt_digest": "0" * 64}
    found = records.evidence(samples.reports() | {LADDER: samples.encoded(content)})
    (problem,) = map(words, ladder.problems(found))
    assert problem.startswith("Ladder: attention56-cifar: stale: ")


def test_a_net_of_the_zoo_that_is_stale_is_no_pass() -> None:
    files = with_digests()
    change()
    found = records.evidence(files)
    (cell,) = cells(whole_zoo.verdicts(found), "Attention-56", 2)
    assert (words(cell.text), cell.tone) == (f"stale: {CHANGED}", "warning")
    assert whole_zoo.summary(found).startswith("passed on torch 0 of 1 nets ")
    assert [words(problem) for problem in whole_zoo.problems(found)] == IN_THE_ZOO


def test_records_that_do_not_say_of_which_file_they_are_are_not_judged() -> None:
    files = samples.reports() | {LADDER: ladder_samples.ladder()}
    for backend in samples.BACKENDS:
        files[f"data/zoo-{backend}.json"] = samples.encoded(samples.whole_zoo(backend))
    before = render.render(files).problems
    change()
    assert render.render(files).problems == before == ()


def test_somebody_elses_file_is_not_looked_for() -> None:
    """Of the same name as one of the zoo's, which records know by its folder."""
    assert staleness.reason("Attention-56.prototxt", "0" * 64) == ""
    assert staleness.reason("prototxt/Other.prototxt", "0" * 64) == ""
    assert staleness.reason(FILE, "0" * 64) == CHANGED
    assert staleness.reason(FILE, "") == ""
    assert staleness.reason(FILE, NET.prototxt_digest) == ""


# What the ladder's records say of it.


def test_the_ladder_records_which_file_a_net_was_held_against() -> None:
    case = Case(NAME, (224, 224), 2)
    held = description(case)
    assert held == {"prototxt": FILE, "prototxt_digest": NET.prototxt_digest}
    assert held.items() <= Found(case, held=held).to_json().items()
    change()
    assert description(case)["prototxt_digest"] != held["prototxt_digest"]
    assert description(Case(f"{NAME}@8", (32, 32), 2)) == {}
    assert description(Case("my_package.mine:build", (), 2)) == {}


def test_a_file_is_the_zoos_by_where_it_is(tmp_path: Path) -> None:
    other = tmp_path / "Attention-56.prototxt"
    other.write_bytes(NET.prototxt.read_bytes())
    digest = NET.prototxt_digest
    assert description(Case(str(other), (224, 224), 1)) == {
        "prototxt": "Attention-56.prototxt",
        "prototxt_digest": digest,
    }
    assert description(Case(str(NET.prototxt), (224, 224), 1)) == {
        "prototxt": FILE,
        "prototxt_digest": digest,
    }


def test_the_first_screen_has_it() -> None:
    def shown(files: samples.Files) -> list[tuple[str, str]]:
        blocks = matrix.blocks(records.evidence(files))
        table = next(block for block in blocks if isinstance(block, Table))
        found = row(table, NET.title)[1:]
        return [(words(cell.text).split()[0], cell.tone) for cell in found if cell.tone != "absent"]

    files = with_digests()
    assert shown(files) == [("✓", "pass")] * 7  # of level 0 three, and of the ladder four
    change()
    assert shown(files) == [("stale", "warning")] * 7
