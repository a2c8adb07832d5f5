"""The published schemas: valid, whole, and of one mind with what writes the records and reads them.

Whatever a schema says must be there, and is not, or is of another kind, its reader refuses too; and
whatever a reader refuses the schema does, but for what lies between several values, which no schema
can say. Beyond that a schema describes what is written down and no reader asks for.
"""

from __future__ import annotations

import copy
import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ranparity import schema
from ranparity.benchmarks import growth, operations, records, run
from ranparity.benchmarks.case import Case
from ranparity.caffe import graph, prototxt
from ranparity.caffe.description import describe
from ranparity.models import zoo
from ranparity.parity import check, endurance
from ranparity.parity.alterations import Proof
from ranparity.parity.endurance import Endurance
from ranparity.report import curves, render, schema_files
from ranparity.report.document import Figures
from ranparity.report.findings_record import FINDINGS
from ranparity.report.records import Evidence, Files, evidence, load
from ranparity.report.statistics_record import STATISTICS
from tests.benchmarks.machine import Machine
from tests.report import (
    finding_samples,
    ladder_samples,
    many_samples,
    picture_samples,
    samples,
    schemas,
)
from tests.report.test_directions import experiment

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "reports"
NET = zoo.ENTRIES["attention56-cifar"]
RUN = "data/runs/report-torch"

# Records of each kind, as the writers' own code makes them where no backend is needed for that.


def checked() -> dict[str, Any]:
    """Level 0 of a net that passes and of one that does not."""
    net = prototxt.read(NET.prototxt)
    keras = describe(graph.build(net))
    good, bad = check.empty(NET), check.empty(zoo.ENTRIES["attention56"])
    check.judge(good, NET, keras, net, NET.input_shape[:2])
    text = NET.prototxt.read_text().replace("kernel_size: 8", "kernel_size: 7")
    check.judge(bad, NET, keras, prototxt.parse(text), NET.input_shape[:2])
    bad.adaptations.append("ave_pool: kernel 5x5")
    bad.paper.append(check._beside(zoo.ENTRIES["attention56"].figures[0], keras))
    results = [good.to_json(), bad.to_json()]
    found = {"backend": "jax", "seconds": 1.5, "results": results}
    return schema.versioned(found | {"environment": samples.ENVIRONMENT})


def altered() -> dict[str, Any]:
    proof = Proof("attention56", "Attention-56")
    for found in (True, True, False):
        proof.add("pad", "conv1", found=found)
    sides = {side: [proof.to_json()] for side in ("prototxt", "live Keras model")}
    return schema.versioned({"backend": "torch", **sides, "environment": samples.ENVIRONMENT})


def trained() -> dict[str, Any]:
    stage = {"name": "train", "part": "whole", "starting_weights": "tape"}
    return schema.versioned(
        samples.run("torch")
        | {"remat": True, "twin": 0, "stages": [stage]}
        | {"accumulate": {"parts": 4, "batch_statistics": "of each part"}}
    )


def killed() -> dict[str, Any]:
    steps, differences = [3, 9], ["round 1: steps: 1 and 2"]
    found = Endurance("jax", Counter(step=2), steps, 1, differences, samples.ENVIRONMENT)
    return endurance.described(found, ["--steps", "60"], 0)


def laddered() -> dict[str, Any]:
    given = ladder_samples.ladder(failures={"tensorflow": "died"}, excluded={"opencv": "LRN"})
    found: dict[str, Any] = json.loads(given)
    (case,) = found["cases"].values()
    case |= {"prototxt": "prototxt/x", "prototxt_digest": "0"}
    return schema.versioned(found)


def proved() -> dict[str, Any]:
    died = ladder_samples.trial(error="it died")
    del died["levels"]
    rows = ladder_samples.trial(), ladder_samples.trial("bn-eps"), died
    return schema.versioned(json.loads(ladder_samples.proof(*rows)))


def benched() -> dict[str, Any]:
    return schema.versioned(run.bench(Case("resnet18-cifar", 2), ["jax"], 3, lambda _: None))


def grown() -> dict[str, Any]:
    book = growth.Book(None, "source")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growth, "points", lambda: [growth.Point(growth.NET, 4)])
        assert growth.run(book, ["torch"], "cpu", lambda _: None)
    about = growth._about(growth.points()[0], "jax")
    book.add(about | {"error": "no memory"}, {})
    return book.content


def operated() -> dict[str, Any]:
    book = operations.Book(None, "source")
    assert operations.run(book, [Case("resnet18-cifar", 4)], ["jax"], lambda _: None)
    (net,) = book.content["nets"]
    net["convolutions"] = net["convolutions"][:2]  # of which the first has no input gradient
    book.add(operations._about(Case("resnet18-cifar", 4), "torch") | {"error": "no memory"}, {})
    return book.content


def gone_through() -> dict[str, Any]:
    found = samples.whole_zoo("jax")
    nets, trainings = [found["nets"][0]], [found["trainings"][0]]
    nets.append({"model": "attention92", "title": "Attention-92", "error": "died"})
    trainings.append({"model": "attention92", "error": "died"})
    return schema.versioned(found | {"nets": nets, "trainings": trainings})


@dataclass(frozen=True)
class Kind:
    """How a kind of record is made and read.

    Attributes:
        make: Gives one; of steps all lines, as a list.
        path: Its place in the reports folder.
        said: Says why the reader refuses it; nothing where it does not.
        fitting: What only a reader can say: it lies between several values.
        beside: The other files that it is read with.
    """

    make: Callable[[], Any]
    path: str
    said: Callable[[Evidence], str]
    fitting: str = r"\A\Z."
    beside: Callable[[], Mapping[str, bytes]] = dict


def failed(found: Evidence) -> str:
    return "; ".join(each.reason for each in found.failed)


def run_beside() -> Mapping[str, bytes]:
    return {f"{RUN}/{name}": content for name, content in samples.run_files("torch").items()}


def either(*each: str) -> str:
    return "|".join(each)


OF_BACKEND = "the record is of backend"
WEIGHTS = "it is of weights of digest"
RUNS = either(
    "where run.json has",
    "do not have the tape_digest",
    'expected as "parts"',
    "parts: one begins",
    "expected stage",
    r"line \d+: expected step",
    'its status is "(running|interrupted|terminated|failed)"',
)
KINDS: dict[str, Kind] = {
    "check": Kind(
        checked,
        "data/check-jax.json",
        lambda e: e.checks["jax"].error or "; ".join(e.checks["jax"].faults.values()),
        either(OF_BACKEND, "contradicts"),
    ),
    "alterations": Kind(
        altered,
        "data/alterations.json",
        lambda e: e.alterations.error,  # type: ignore[union-attr]
        either("do not add up", "more found than tried", "no alteration was tried"),
    ),
    "run": Kind(trained, f"{RUN}/run.json", failed, RUNS, run_beside),
    "step": Kind(lambda: samples.steps("torch"), f"{RUN}/steps.jsonl", failed, RUNS, run_beside),
    "masks": Kind(
        lambda: schema.versioned(picture_samples.masks()),
        picture_samples.MASKS,
        lambda e: e.masks[0].of.error,
        either("it is not of the digest", WEIGHTS),
        picture_samples.reports,
    ),
    "features": Kind(
        lambda: schema.versioned(picture_samples.features()),
        picture_samples.FEATURES,
        lambda e: e.features[0].of.error,
        either("expected the label of a class", "places (before|after), and", WEIGHTS),
        picture_samples.reports,
    ),
    "endurance": Kind(
        killed,
        "data/endurance-jax.json",
        lambda e: e.endurance["jax"].error,
        either(OF_BACKEND, "contradicts", "kills by kind", "no run was killed"),
    ),
    "directions": Kind(
        lambda: schema.versioned({"experiments": [experiment()], "backend": "jax"}),
        "data/directions.json",
        lambda e: e.directions.error or "; ".join(e.directions.faults.values()),  # type: ignore[union-attr]
        either("contradicts", "the lower one first"),
    ),
    "ladder": Kind(
        laddered,
        "data/ladder.json",
        lambda e: e.ladder.error,  # type: ignore[union-attr]
        r'expected \d+ values as "layer_rho"',
    ),
    "ladder-proof": Kind(proved, "data/ladder-proof.json", lambda e: e.proof.error),  # type: ignore[union-attr]
    "bench": Kind(
        benched,
        "data/bench.json",
        lambda e: e.bench.error,  # type: ignore[union-attr]
        "no results of",
    ),
    "growth": Kind(grown, "data/growth.json", lambda e: e.growth.error),  # type: ignore[union-attr]
    "operations": Kind(
        operated,
        "data/operations.json",
        lambda e: e.operations.error,  # type: ignore[union-attr]
    ),
    "zoo": Kind(
        gone_through,
        "data/zoo-jax.json",
        lambda e: e.zoo["jax"].error,
        either(OF_BACKEND, "contradicts"),
    ),
    "findings": Kind(
        lambda: schema.versioned(json.loads(finding_samples.reports()[FINDINGS])),
        FINDINGS,
        lambda e: e.findings.error,  # type: ignore[union-attr]
        either(
            "is not the one of the digest",
            "has printed",
            "expected one of",
            "is there twice",
            "expected a reason",
        ),
    ),
    "statistics": Kind(
        many_samples.statistics,
        STATISTICS,
        lambda e: e.statistics.error,  # type: ignore[union-attr]
        either("contradict", "was fixed", "each of several seeds", "runs that they were taken"),
    ),
    "matrix": Kind(
        many_samples.matrix,
        "data/matrix-plan.json",
        lambda e: e.matrices[0].error,
    ),
}


@functools.cache
def made(kind: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "answering", Machine().answering)
        return json.dumps(KINDS[kind].make())


def sample(kind: str) -> Any:
    """A record of a kind that passes; of steps all lines."""
    return json.loads(made(kind))


@functools.cache
def beside(kind: str) -> Mapping[str, bytes]:
    return dict(KINDS[kind].beside())


def files(kind: str, record: Any) -> Files:
    """The reports folder of a record; a step is the first one of its run."""
    if kind == "step":
        content = samples.lines([record, *sample("step")[1:]])
    else:
        content = samples.encoded(record)
    return {**beside(kind), KINDS[kind].path: content}


def said(kind: str, record: Any) -> str:
    """Why the reader refuses a record; nothing if it does not."""
    return KINDS[kind].said(evidence(files(kind, record)))


def one(kind: str) -> Any:
    """What is of the kind, to be altered: a record, or the first step."""
    found = sample(kind)
    return found[0] if kind == "step" else found


# The schemas themselves.


def test_there_is_a_schema_for_every_kind_and_none_beside() -> None:
    there = {path.name for path in (ROOT / "ranparity/report/schemas").iterdir()}
    assert there == {f"{kind}.schema.json" for kind in schema_files.KINDS}
    assert list(schema_files.KINDS) == list(KINDS)
    assert set(schemas.PATHS.values()) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_is_valid_and_of_the_version(kind: str) -> None:
    found = schemas.schema(kind)
    Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["$id"] == schema_files.identifier(kind)
    assert f":{schema.VERSION}:" in found["$id"]
    assert found["properties"][schema.KEY]["const"] == schema.VERSION
    assert found["title"] == schema_files.title(kind)
    assert found["description"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_property_is_described(kind: str) -> None:
    """Here or where its reference leads; what a condition asks is none."""
    whole = schemas.schema(kind)
    lacking = [
        place
        for place, part in properties(whole, "")
        if not ({**whole.get("$defs", {}).get(part.get("$ref", "")[8:], {}), **part}).get(
            "description"
        )
    ]
    assert lacking == []


def properties(part: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, inner in part.items() if isinstance(part, dict) else ():
        if name == "properties":
            yield from ((f"{place}/{key}", value) for key, value in inner.items())
        if name not in ("if", "then", "else", "not"):
            yield from properties(inner, f"{place}/{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_reference_leads_somewhere(kind: str) -> None:
    text = schema_files.content(kind).decode()
    names = set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', text))
    assert names == set(schemas.schema(kind).get("$defs", {}))


# What is written.


def committed() -> dict[str, bytes]:
    return {path: text for path, text in load(REPORTS).items() if ".json" in path}


@pytest.mark.parametrize("path", committed())
def test_every_committed_record_is_of_its_schema(path: str) -> None:
    content, kind = committed()[path], schemas.kind_of(path)
    lines = content.splitlines() if path.endswith(".jsonl") else [content]
    assert [refusal for line in lines for refusal in schemas.of_text(kind, line)] == []


def test_records_of_every_kind_but_three_are_committed() -> None:
    lacking = {"growth", "statistics", "matrix"}  # not measured yet, or not for all readers
    assert {schemas.kind_of(path) for path in committed()} >= set(KINDS) - lacking


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_of_its_schema_and_is_read(kind: str) -> None:
    for record in sample(kind) if kind == "step" else [sample(kind)]:
        assert schemas.refusals(kind, record) == []
    assert said(kind, one(kind)) == ""
    assert next(iter(sample(kind))) == "schema" or kind == "step", "the version is at the top"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"step"}))
def test_a_record_with_an_error_needs_no_evidence(kind: str) -> None:
    record = {"schema": 1, "backend": "jax", "error": "no memory"}
    assert schemas.refusals(kind, record) == []
    assert said(kind, record) == "no memory"


def test_a_record_of_times_is_written_with_its_version(tmp_path: Path) -> None:
    records.write(tmp_path / "bench.json", records.joined([]))
    assert schemas.of_text("bench", (tmp_path / "bench.json").read_text()) == []
    assert '"schema": 1,' in (tmp_path / "bench.json").read_text()
    assert records.read(tmp_path / "bench.json")["nets"] == []


@pytest.mark.parametrize("status", ["running", "interrupted", "terminated", "failed"])
def test_a_run_that_is_not_finished_is_of_its_schema_and_no_result(status: str) -> None:
    record = {"schema": 1, "status": status, "model": "attention56-cifar", "reason": "no memory"}
    assert schemas.refusals("run", record) == []
    assert said("run", record) == f'its status is "{status}", not "finished": no memory'


def test_an_experiment_that_was_not_tried_is_of_its_schema_and_no_result() -> None:
    """With fewer than two seeds the session writes down why, and nothing that follows."""
    record = {"schema": 1, "experiments": [experiment(holds=None, failed=["a-net: not run"])]}
    assert schemas.refusals("directions", record) == []
    assert 'expected a string as "holds", found no such key' in said("directions", record)
    record["experiments"][0]["failed"] = []  # type: ignore[index]
    assert schemas.refusals("directions", record) != []


# What is read.


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 9),
    st.sampled_from([0.5, -1.5, 97.5, 1e-300]),  # 1.0 counts as an integer to schemas alone
    st.sampled_from(["", "x", "1", "inf", "pass", "fail", "finished"]),
    st.lists(st.sampled_from([1, "x", None, [], {}]), max_size=3),
    st.dictionaries(st.sampled_from(["model", "x"]), st.sampled_from([1, "x", None]), max_size=2),
)


def every_place(value: Any, place: schemas.Place = ()) -> Iterator[schemas.Place]:
    """Every key of a record, and the first two places of every list, at any depth."""
    if place:
        yield place
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from every_place(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value[:2]):
            yield from every_place(inner, (*place, number))


def without(record: Any, place: schemas.Place) -> Any:
    found = copy.deepcopy(record)
    *way, last = place
    del functools.reduce(lambda inner, key: inner[key], way, found)[last]
    return found


def replaced(record: Any, place: schemas.Place, value: Any) -> Any:
    found = copy.deepcopy(record)
    *way, last = place
    functools.reduce(lambda inner, key: inner[key], way, found)[last] = value
    return found


def check_agreement(kind: str, damaged: Any, *, is_required: bool) -> None:
    """Sees that schema and reader both take a record that was altered in one place, or neither.

    What is not required, and that no reader asks for, only the schema looks at.
    """
    refused, why = bool(schemas.refusals(kind, damaged)), said(kind, damaged)
    if refused and is_required:
        assert why, "the schema refuses what the reader takes"
    if why and not re.search(KINDS[kind].fitting, why):
        assert refused, f"the reader refuses what the schema takes: {why}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_required_key_that_is_missing_is_refused_by_schema_and_reader(kind: str) -> None:
    record = one(kind)
    places = schemas.required(kind, record)
    assert len(places) >= 4
    for place in sorted(places, key=str):
        damaged = without(record, place)
        assert schemas.refusals(kind, damaged) != [], place
        assert said(kind, damaged) != "", place


@pytest.mark.parametrize("kind", KINDS)
def test_schema_and_reader_agree_on_what_is_damaged_anywhere(kind: str) -> None:
    """One value after the other taken out, or replaced by one of each kind."""
    record = one(kind)
    needed = schemas.required(kind, record)
    for place in every_place(record):
        check_agreement(kind, without(record, place), is_required=place in needed)
        for value in (None, True, -1, 0.5, "x", [], {}):
            altered = replaced(record, place, value)
            check_agreement(kind, altered, is_required=place in needed)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_schema_and_reader_agree_whatever_the_value(kind: str, data: st.DataObject) -> None:
    record = one(kind)
    place = data.draw(st.sampled_from(sorted(every_place(record), key=str)))
    altered = replaced(record, place, data.draw(VALUES))
    check_agreement(kind, altered, is_required=place in schemas.required(kind, record))


SILENT = {"alterations", "step", "masks", "features", "bench", "growth", "operations", "findings"}
JUDGED = sorted(set(KINDS) - SILENT)


@pytest.mark.parametrize("kind", JUDGED)
def test_a_verdict_is_one_of_those_that_there_are(kind: str) -> None:
    """Where a reader holds it against its evidence, the schema alone has the words."""
    record = one(kind)
    needed = schemas.required(kind, record)
    words = [p for p in every_place(record) if p[-1] in ("verdict", "holds", "status")]
    judged = [place for place in words if place in needed or place[-1] == "holds"]
    assert judged
    for place in judged:
        damaged = replaced(record, place, "perhaps")
        assert schemas.refusals(kind, damaged) != [], place
        assert said(kind, damaged) != "", place


@pytest.mark.parametrize("kind", KINDS)
def test_keys_that_are_not_known_are_passed_over(kind: str) -> None:
    record = one(kind) | {"of a later time": [None]}
    assert schemas.refusals(kind, record) == []
    assert said(kind, record) == ""


# Another version.

OTHER = "expected schema version 1, found 2: read it with the ranparity that wrote it, or make it"


@pytest.mark.parametrize("stated", [2, 0, None, "1", True])
@pytest.mark.parametrize("kind", KINDS)
def test_another_version_is_refused_by_schema_and_reader(kind: str, stated: Any) -> None:
    record = one(kind) | {"schema": stated}
    assert schemas.refusals(kind, record) != []
    assert said(kind, record).partition("expected ")[2].startswith("schema version 1, found ")


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_of_before_the_version_was_stated_is_read(kind: str) -> None:
    record = {key: value for key, value in one(kind).items() if key != "schema"}
    assert schemas.refusals(kind, record) == []
    assert said(kind, record) == ""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zoo of one net, and no drawings: these tests look at words."""
    monkeypatch.setattr(zoo, "ENTRIES", {NET.name: NET})
    monkeypatch.setattr(curves, "draw", lambda *_: Figures(()))


@pytest.mark.usefixtures("small")
def test_the_samples_pass() -> None:
    assert render.render(picture_samples.reports()).problems == ()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", KINDS)
def test_another_version_is_a_failure_on_the_page(kind: str) -> None:
    whole = picture_samples.reports()
    rendered = render.render({**whole, **files(kind, one(kind) | {"schema": 2})})
    assert [problem for problem in rendered.problems if "FAILED" in problem and OTHER in problem]
    readme = rendered.files["README.md"].decode()
    assert OTHER in readme
    assert "✗ FAILED" in readme
