"""The proof of the ladder: its plan, its record, and, on three backends, faults that are caught."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ranparity.caffe import graph, prototxt
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.parity.ladder import faults, nets, proof, session
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.faults import PLANTED
from ranparity.parity.ladder.proof import NETS, SEEDS, Proof
from ranparity.parity.ladder.run import Found
from ranparity.parity.ladder.session import Book
from ranparity.training import backends
from tests.report import schemas

TRIED = {
    "conv-far-pad": 1,
    "gradient-doubled": 2,
    "bn-unbiased": 2,
    "decay-decoupled": 3,
    "rate-late": 4,
    "batches-swapped": 5,
}
"""Faults, and the first level that catches each: one for every level."""
COMPILED = ("conv-far-pad", "batches-swapped")
"""Those that are tried where each is compiled by itself, which takes long."""


def test_there_are_thirty_faults_and_every_net_of_the_proof_has_one() -> None:
    caught = [fault for fault in PLANTED.values() if not fault.below]
    assert len(caught) >= 30
    assert {model for fault in caught for model in fault.models} == set(proof.sizes())
    assert any(fault.below for fault in PLANTED.values())


def test_every_kind_of_net_in_the_zoo_is_in_the_proof() -> None:
    """Every layer type of the zoo, and of every builder each kind of what it is made of."""
    zoo_kinds = {kind for entry in zoo.ENTRIES.values() for kind in _kinds(entry)}
    assert zoo_kinds == {kind for model in proof.sizes() for kind in _kinds(zoo.entry(model))}
    own = {model.partition("@")[0] for model in proof.sizes()}
    assert _types(zoo.ENTRIES) == _types(own)


def _kinds(entry: zoo.Entry) -> Iterator[tuple[str, str, Any]]:
    config: Any = entry.config
    for name in ("unit", "stem", "mask", "activation", "learning", "head", "regulariser"):
        yield config.builder, name, getattr(config, name, None)


def _types(names: Iterable[str]) -> set[str]:
    nets = (graph.build(prototxt.read(zoo.entry(name).prototxt)) for name in names)
    return {node.type for net in nets for node in net.nodes}


def test_halves_share_no_net_and_no_seed() -> None:
    assert not set(NETS["first"]) & set(NETS["second"])
    assert not set(SEEDS["first"]) & set(SEEDS["second"])
    clean = [case for model in proof.sizes() for case in proof.clean(model)]
    assert len(clean) * len(backends.NAMES) >= 100
    assert {case.data_format for case in clean} == {"channels_first", "channels_last"}
    assert {case.threads for case in clean} == {0, 1}
    assert len({case.batch_size for case in clean}) > 1


def test_a_fault_that_is_not_known_is_refused() -> None:
    assert not faults.named("").altered
    with pytest.raises(InputError, match="expected one of conv-far-pad, "):
        faults.named("none")


@pytest.mark.parametrize("backend", backends.NAMES)
def test_a_fault_of_each_level_is_caught_at_its_layer_and_nothing_else(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same path as the session's: workers write, the judge reads."""
    model = faults.RESNET
    names = TRIED if backend == "torch" else COMPILED
    few = {name: dataclasses.replace(PLANTED[name], models=(model,)) for name in names}
    monkeypatch.setattr(proof, "PLANTED", few)
    monkeypatch.setattr(proof, "clean", lambda name, own=proof.clean: own(name)[:1])
    rows: list[dict[str, Any]] = []
    Proof(model, (backend,), tmp_path / "work", tmp_path / "cache", rows.append).run()
    assert not [row["error"] for row in rows if "error" in row]
    book = Book(tmp_path / "it.json", "aa")
    for row in rows:
        book.add(row)
    assert schemas.of_text("ladder-proof", (tmp_path / "it.json").read_text()) == []
    clean = [row for row in rows if not row["fault"]]
    assert len(clean) == 1
    assert all(level["verdict"] == "pass" for row in clean for level in row["levels"].values())
    found = {row["fault"]: row for row in rows if row["fault"]}
    assert {name: row["caught"][0] for name, row in found.items()} == {n: TRIED[n] for n in names}
    for name, row in found.items():
        assert row["right_layer"] is (True if PLANTED[name].one_layer else None), row
    assert not (tmp_path / "work" / model).exists(), "tensors are removed"
    assert session.faults(rows) == []
    bad = dict(found["conv-far-pad"], right_layer=False)
    (said,) = session.faults([bad])
    assert said.startswith("not caught at its layer: resnet18-cifar@8 on ")


def test_the_record_goes_on_and_is_of_its_source(tmp_path: Path) -> None:
    book = Book(tmp_path / "it.json", "aa")
    model = "resnet18@8"
    assert book.lacks(model, ["torch"], planted=True)
    for case in (*proof.clean(model), *proof.planted(model)):
        book.add({"case": case.digest, "backend": "torch", "fault": case.fault, "levels": {}})
    again = Book(tmp_path / "it.json", "aa")
    assert not again.lacks(model, ["torch"], planted=True)
    assert again.lacks(model, ["torch", "jax"], planted=True)
    assert Book(tmp_path / "it.json", "bb").lacks(model, ["torch"], planted=False)
    content = json.loads((tmp_path / "it.json").read_text())
    assert content["rows"][0]["source_digest"] == "aa"
    assert next(iter(content.items())) == ("schema", 1)


def test_an_alarm_an_error_and_a_fault_that_passed_are_told() -> None:
    base = {"model": "m", "backend": "b", "fault": "", "seed": 0, "case": "c"}
    level = {"verdict": "fail", "worst_rho": 99.0}
    alarm = base | {"levels": {"1": level}}
    missed = base | {
        "fault": "bn-eps",
        "caught": [],
        "right_layer": None,
        "levels": {"1": dict(level, verdict="pass")},
    }
    below = missed | {"fault": "rate-barely"}
    error = base | {"error": "it died"}
    assert session.faults([alarm, missed, below, error]) == [
        "alarm: m on b, clean, seed 0: 1 fail 99",
        "not caught at its layer: m on b, bn-eps, seed 0: 1 pass 99",
        "m on b, clean, seed 0: error: it died",
    ]


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "it.json").write_text("{}")
    with pytest.raises(InputError, match=r"it.json: expected the record of a ladder session"):
        Book(tmp_path / "it.json", "aa")


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--models: expected some of attention56-cifar@8, "):
        session.main(["--models", "resnet18", "--out", str(tmp_path)])
    with pytest.raises(InputError, match="--backends: expected one of"):
        session.main(["--backends", "none", "--out", str(tmp_path)])


class Standing:
    """Stands for `Proof`: tells a row of each clean case that it is told to know, or breaks."""

    known: int = 0
    breaks: bool = False

    def __init__(self, model: str, names: Sequence[str], *parts: Any) -> None:
        self.model, self.names, self.tell = model, names, parts[2]

    def run(self) -> None:
        if self.breaks:
            raise ValueError("broken")
        for case in proof.clean(self.model)[: self.known]:
            for name in self.names:
                level = {"verdict": "pass", "worst_rho": 1.0}
                about = {"model": self.model, "seed": case.seed, "fault": ""}
                self.tell({"case": case.digest, "backend": name, "levels": {"1": level}, **about})


@pytest.mark.parametrize(("known", "status"), [(4, 0), (3, 1)])
def test_a_session_says_what_has_not_been_run(
    known: int,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(session, "Proof", Standing)
    monkeypatch.setattr(Standing, "known", known)
    options = ["--models", "resnet18@8", "--backends", "torch,jax", "--clean"]
    assert session.main([*options, "--out", str(tmp_path)]) == status
    shown = capsys.readouterr().err
    assert ("resnet18@8: not all of its cases have been run" in shown) == bool(status)
    assert "resnet18@8 on jax, clean, seed 3: 1 pass 1" in shown
    if not status:  # a second time there is nothing to do
        monkeypatch.setattr(Standing, "breaks", True)
        assert session.main([*options, "--out", str(tmp_path)]) == 0


def test_what_breaks_ends_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "Proof", Standing)
    monkeypatch.setattr(Standing, "breaks", True)
    with pytest.raises(ValueError, match="broken"):
        session.main(["--models", "resnet18@8", "--clean", "--out", str(tmp_path)])


def test_the_session_of_nets_passes_over_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Case] = []

    class Ladder:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def run(self, case: Case) -> Found:
            ran.append(case)
            return Found(case, seconds={"all": 1.0})

    monkeypatch.setattr(nets, "Ladder", Ladder)
    options = ["--models", "attention56-cifar,attention56", "--out", str(tmp_path)]
    assert nets.main(options) == 0
    assert [(case.model, case.how, case.levels) for case in ran] == [
        ("attention56-cifar", "float32", (1, 2, 3, 4, 5)),
        ("attention56-cifar", "float64", (1, 2)),
        ("attention56-cifar", "bfloat16", (1, 2, 3)),
        ("attention56-cifar", "float16", (1, 2, 3)),
        ("attention56-cifar", "float32, 2 devices", (3, 4)),
        ("attention56", "float32", (1, 2, 3)),
    ]
    assert nets.main(options) == 0
    assert len(ran) == 6
    assert nets.main([*options, "--again"]) == 0
    assert len(ran) == 12
    for _ in range(2):
        assert nets.main(["--quick", "--out", str(tmp_path)]) == 0
    assert len(ran) == 14, "a quick one is run again"
    assert (ran[-1].model, ran[-1].levels) == ("attention56-cifar", (1, 2, 3))
    assert list(json.loads((tmp_path / nets.QUICK_RECORD).read_text())["cases"]) == [ran[-1].digest]
    content = json.loads((tmp_path / nets.RECORD).read_text())
    assert len(content["cases"]) == 6
    assert schemas.refusals("ladder", content) == []
    assert next(iter(content.items())) == ("schema", 1)
    with pytest.raises(InputError, match="--models: expected some of attention56-cifar, "):
        nets.main(["--models", "resnet18"])
    (tmp_path / nets.RECORD).write_text("[]")
    with pytest.raises(InputError, match=r"ladder.json: expected the record of a ladder session"):
        nets.main(options)
