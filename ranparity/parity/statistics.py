"""Level 6 of the ladder: do backends train to the same accuracy, over seeds?

`ranparity statistics`, or `nox -s statistics`. A plan of many runs says what is trained on which
backends with which seeds, and, in tables of its own, what is asked:

    [statistics]
    margin = 2.0               # points of percent by which means may differ and be equivalent
    level = 0.05               # of each test (this is the default)

    [planted.label-noise]      # any name: a recipe that is worse on purpose
    backend = "torch"          # without it, on every backend
    label-noise = 0.2

What is asked is written into the record before the first run begins, and cannot be changed after.
Every two backends are a comparison, and these are one family. What is planted is compared, on its
backend, with every other backend's clean runs, which must come out different: one family each. The
tests, the correction and the rule are in `ranparity.parity.equivalence`.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ranparity import schema
from ranparity.errors import InputError
from ranparity.files import check_writable, write_text
from ranparity.matrix import plan as plans
from ranparity.matrix.book import FILE as MATRIX
from ranparity.matrix.book import FINISHED, Book
from ranparity.matrix.plan import Plan, Run
from ranparity.parity import equivalence, sessions

FILE = "statistics.json"
PLAN = Path(__file__).with_name("statistics.toml")
TABLES = ("statistics", "planted")
LEAST = 2  # seeds, of which there is a spread
# Of matrix.json, in what the record has of a run.
KEPT = ("name", "started", "test_loss", "steps", "seconds", "tape_digest", "final_weights_digest")
ASKED = ("settings", "planted", "margin", "level", "rule")


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seeds alone.

    Attributes:
        backend: What trains.
        planted: What is worse on purpose; nothing if empty.
        runs: By seed.
    """

    backend: str
    planted: str
    runs: Mapping[int, Run]


@dataclass(frozen=True)
class Design:
    """What is asked.

    Attributes:
        plan: What is trained.
        margin: Points of percent by which means may differ and be equivalent.
        level: Of each test.
        planted: What is changed, by the name of what is planted.
        groups: All of them: the clean ones first.
    """

    plan: Plan
    margin: float
    level: float
    planted: Mapping[str, Mapping[str, Any]]
    groups: tuple[Group, ...]

    @property
    def beside(self) -> list[Run]:
        """The runs of what is planted."""
        return [run for group in self.groups if group.planted for run in group.runs.values()]

    @property
    def seeds(self) -> list[int]:
        """The seeds of every group."""
        return list(self.plan.settings["seed"])

    @property
    def families(self) -> list[list[tuple[Group, Group]]]:
        """Which groups are compared, those together whose p values are corrected together."""
        clean = [group for group in self.groups if not group.planted]
        return [
            list(itertools.combinations(clean, 2)),
            *(
                [
                    (worse, other)
                    for worse in self.groups
                    for other in clean
                    if worse.planted == name and worse.backend != other.backend
                ]
                for name in self.planted
            ),
        ]

    @property
    def asked(self) -> dict[str, Any]:
        """What is fixed before anything is trained, as the record has it."""
        told = json.loads(json.dumps([self.plan.settings, self.planted]))
        values = (*told, self.margin, self.level, equivalence.RULE)
        return dict(zip(ASKED, values, strict=True))


def read(path: Path, parser: argparse.ArgumentParser) -> Design:
    """Read a plan and what it asks.

    Args:
        path: The file.
        parser: That of `ranparity run`.

    Raises:
        InputError: It asks nothing that could be answered; says which key and why.
    """
    plan = plans.read(path, parser, TABLES)
    asked = {"level": equivalence.LEVEL, **plan.tables.get("statistics", {})}
    if unknown := sorted(set(asked) - {"margin", "level"}):
        raise InputError(
            f"{path}: statistics.{unknown[0]}: expected margin or level. Received: {unknown[0]}"
        )
    margin = _number(asked.get("margin"), 100, f"{path}: statistics.margin")
    level = _number(asked["level"], 0.5, f"{path}: statistics.level")
    for key, values in plan.settings.items():
        if key not in ("backend", "seed") and len(values) > 1:
            raise InputError(f"{path}: {key}: expected one value. Received: {len(values)} of them")
    _check_several(path, plan, "backend", 2)
    _check_several(path, plan, "seed", LEAST)
    clean = _groups(plan.runs, plan, "")
    planted = {name: _changes(path, name, each) for name, each in _planted(plan).items()}
    worse = [
        group
        for name, changes in planted.items()
        for group in _groups(
            plans.altered(plan, parser, name, changes, f"{path}: planted.{name}"), plan, name
        )
    ]
    return Design(plan, margin, level, planted, (*clean, *worse))


def _number(value: Any, most: float, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < most:
        found = "nothing" if value is None else plans.shown_toml(value)
        raise InputError(
            f"{where}: expected a number above 0 and below {most:g}. Received: {found}"
        )
    return float(value)


def _check_several(path: Path, plan: Plan, key: str, least: int) -> None:
    found = len(plan.settings[key])
    if found < least:
        raise InputError(f"{path}: {key}: expected {least} or more to compare. Received: {found}")


def _planted(plan: Plan) -> Mapping[str, Any]:
    return plan.tables.get("planted", {})


def _changes(path: Path, name: str, changes: Any) -> Mapping[str, Any]:
    """Give what a planted recipe changes, once it is seen to leave the seeds as they are."""
    where = f"{path}: planted.{name}"
    if not isinstance(changes, dict) or not changes:
        raise InputError(f"{where}: expected a table of options. Received: {changes!r}")
    for key, value in changes.items():
        if key == "seed" or (key != "backend" and isinstance(value, list)):
            raise InputError(
                f"{where}: {key}: expected one value, and the plan's seeds. Received: "
                f"{plans.shown_toml(value)}"
            )
    return changes


def _groups(runs: Sequence[Run], plan: Plan, planted: str) -> list[Group]:
    found: dict[str, dict[int, Run]] = {}
    for run in runs:
        found.setdefault(run.backend, {})[run.settings["seed"]] = run
    order = [name for name in plan.settings["backend"] if name in found]
    order += [name for name in found if name not in order]
    return [Group(name, planted, found[name]) for name in order]


class Answers:
    """The record, statistics.json beside the runs, and its copies.

    Args:
        design: What is asked.
        folder: That of the runs, which is there.

    Raises:
        InputError: Something else was asked of the runs that are there.
        OSError: It cannot be written.
    """

    def __init__(self, design: Design, folder: Path) -> None:
        self.design, self.folder = design, folder
        path = folder / FILE
        check_writable(path)
        earlier = sessions.read_record(path, "statistics", lambda content: content["fixed"])
        if earlier is None and (folder / MATRIX).exists():
            raise InputError(
                f"{folder}: expected no runs, for what is asked of them is fixed before they are "
                "trained: give another folder with --out"
            )
        self._fixed = _fixed(earlier, design, path)
        self.content: dict[str, Any] = earlier or self._about()
        self._write(path)

    def _about(self) -> dict[str, Any]:
        return {
            "name": self.design.plan.name,
            "fixed": self._fixed,
            **self.design.asked,
            "seeds": self.design.seeds,
            "runs": [],
            "comparisons": [],
            "failed": [],
            "environments": {},
        }

    def take(self, book: Book) -> None:
        """Write down what has become of the runs, and what follows."""
        rows = {name: row for name, row in book.rows.items() if row["status"] == FINISHED}
        results = {
            "runs": [row for group in self.design.groups for row in _rows(group, rows)],
            "comparisons": [
                each
                for family in self.design.families
                for each in compared(self.design, family, rows)
            ],
            "failed": [
                f"{name}: {row.get('error', row['status'])}"
                for name, row in book.rows.items()
                if name not in rows
            ],
            "environments": book.environments,
        }
        self.content = {**self._about(), **results}
        self._write(self.folder / FILE)

    def copy(self, book: Book, folder: Path) -> None:
        """Put the record, and that of the runs, into a folder of records."""
        folder.mkdir(parents=True, exist_ok=True)
        self._write(folder / FILE)
        text = json.dumps(book.content, indent=1, allow_nan=False)
        write_text(folder / f"matrix-{self.design.plan.name}.json", text + "\n")

    def _write(self, path: Path) -> None:
        self.content = schema.versioned(self.content)
        write_text(path, json.dumps(self.content, indent=1, allow_nan=False) + "\n")

    def faults(self) -> list[str]:
        """Say what is no pass: failed runs, and comparisons that did not come out as they must."""
        found = [f"not trained: {each}" for each in self.content["failed"]]
        for each in self.content["comparisons"]:
            expected = "different" if each["planted"] else "equivalent"
            if each["verdict"] != expected:
                planted = f" with {each['planted']}" if each["planted"] else ""
                found.append(f"{each['one']}{planted} and {each['other']}: {each['verdict']}")
        return found


def _fixed(earlier: Any, design: Design, path: Path) -> str:
    """Give when what is asked was fixed: now, or when the record was begun."""
    if earlier is None:
        return datetime.now(UTC).isoformat(timespec="seconds")
    for key, value in design.asked.items():
        if earlier.get(key) != value:
            raise InputError(
                f"{path}: expected the {key} that were fixed {earlier['fixed']}, before anything "
                f"was trained: {earlier.get(key)}. Received from {design.plan.path}: {value}: give "
                "another folder with --out"
            )
    return str(earlier["fixed"])


def _rows(group: Group, rows: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give what the record has of the runs of a group that are finished."""
    for seed, run in group.runs.items():
        if run.name in rows:
            row = rows[run.name]
            yield {
                "backend": group.backend,
                "planted": group.planted,
                "seed": seed,
                "accuracy": row["test_accuracy"],
                **{key: row[key] for key in KEPT if key in row},
            }


def compared(
    design: Design, family: Sequence[tuple[Group, Group]], rows: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Give what the record has of a family's comparisons: all of them, or none yet."""
    needed = [run.name for pair in family for group in pair for run in group.runs.values()]
    if not all(name in rows for name in needed):
        return
    found = [_differences(one, other, rows) for one, other in family]
    both = [equivalence.paired(each) for each in found]
    same = [equivalence.p_equivalence(each, design.margin) for each in both]
    apart = [equivalence.p_difference(each) for each in both]
    strictest = design.level / len(family)
    for place, ((one, other), summed) in enumerate(zip(family, both, strict=True)):
        adjusted = equivalence.holm(same)[place], equivalence.holm(apart)[place]
        yield {
            "planted": one.planted,
            "one": one.backend,
            "other": other.backend,
            "differences": found[place],
            "mean": summed.mean,
            "spread": summed.spread,
            "interval": list(equivalence.interval(summed, design.level)),
            "p_equivalence": same[place],
            "p_equivalence_adjusted": adjusted[0],
            "p_difference": apart[place],
            "p_difference_adjusted": adjusted[1],
            "power": equivalence.power(design.margin, summed.error, summed.freedom, strictest),
            "verdict": equivalence.verdict(*adjusted, design.level),
        }


def _differences(one: Group, other: Group, rows: Mapping[str, Mapping[str, Any]]) -> list[float]:
    """Give the accuracy of one less that of the other, seed by seed, in points of percent."""
    return [
        100 * (rows[run.name]["test_accuracy"] - rows[other.runs[seed].name]["test_accuracy"])
        for seed, run in one.runs.items()
    ]
