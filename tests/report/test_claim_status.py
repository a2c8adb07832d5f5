from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ranparity.claims import command, ledger
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.report import claim_status, records
from ranparity.report.claim_status import Verdict
from ranparity.report.direction_record import DIRECTIONS
from ranparity.report.logs import Epoch, Step
from ranparity.report.records import Evidence
from ranparity.report.runs import FinishedRun, Part, Task
from tests.report import samples
from tests.report.test_direction_record import experiment

BOOK = ledger.load()
NOTHING = records.evidence({})
CLAIM = "paper-t1-mixed"  # Attention-56 on CIFAR-10, error 5.52 %


def trained(claim: str = CLAIM, accuracy: float = 0.9448, **changes: Any) -> FinishedRun:
    """A run that is what a claim's command asks for, whatever it takes in the real world."""
    of = BOOK.claim(claim)
    asked = command.training(of.command)
    assert of.data
    steps = changes.pop("steps", asked.steps(of.data.train))
    data = {"data": of.data.recorded, "train": of.data.train, "test": of.data.test}
    recipe = changes.pop("recipe", json.dumps(recorded(asked)))
    task = Task(
        **{  # type: ignore[arg-type]
            "model": asked.model,
            "source": of.data.option,
            "partial": False,
            "recipe_name": asked.recipe.name,
            "recipe": recipe,
            "seed": 0,
            "precision": "float32",
            **data,
            **changes,
        }
    )
    epochs = (
        Epoch("train", 1, steps - 10, 0.5, min(1, accuracy + 0.01), 0.99),
        Epoch("train", 2, steps, 0.4, accuracy, 0.995),
    )
    return FinishedRun(
        id=f"run-{task.seed}",
        path=f"data/runs/run-{task.seed}/run.json",
        backend="torch",
        parts=(Part(1, "torch", None),),
        task=task,
        data_digest="d",
        initial_weights_digest="i",
        tape_digest="t",
        final_weights_digest="f",
        final_slots_digest="s",
        steps=(Step("train", 2.0, "b", 0.1),) * (steps - 10) + (Step("train", 0.5, "b", 0.1),) * 10,
        epochs=epochs,
        test_accuracy=accuracy,
        test_top5_accuracy=0.995,
        test_loss=0.4,
        stopped_early=False,
        seconds=1.0,
        seconds_per_step=0.1,
        seconds_waiting=0.0,
        beside_steps=None,
        peak_memory=None,
        environment=None,
    )


def recorded(asked: command.Training) -> Any:
    from dataclasses import asdict

    return json.loads(json.dumps(asdict(asked.recipe)))


def with_runs(*runs: FinishedRun) -> Evidence:
    return replace(NOTHING, finished=runs)


def verdict(evidence: Evidence, claim: str = CLAIM) -> Verdict:
    (found,) = claim_status.chosen(claim_status.judge(BOOK, evidence), name=claim)
    return found


# Without records.


def test_without_records_nothing_is_reproduced() -> None:
    found = claim_status.judge(BOOK, NOTHING)
    assert {each.status for each in found} == {"not run", "cannot be run", "nothing published"}
    assert all(each.here is None and not each.findings for each in found)
    assert {trial.status for trial in claim_status.trials(BOOK, NOTHING)} == {"not run"}


def test_what_cannot_be_run_stays_so_whatever_was_trained() -> None:
    for found in claim_status.judge(BOOK, with_runs(trained())):
        assert (found.status == "cannot be run") == bool(found.claim.why)
        assert (found.status == "nothing published") == (found.claim.id == "dranet-cifar10")


# Trainings.


def test_a_training_as_asked_reproduces_within_the_margin() -> None:
    found = verdict(with_runs(trained(accuracy=0.9470)))
    assert found.status == "reproduced"
    assert (found.words, found.apart) == ("5.30", "-0.22")
    (record,) = found.findings
    assert (record.label, record.path) == ("torch, seed 0", "data/runs/run-0/run.json")
    assert not found.passed_over


@pytest.mark.parametrize(
    ("accuracy", "status"),
    [(0.9478, "reproduced"), (0.9479, "differs"), (0.9418, "reproduced"), (0.9417, "differs")],
)
def test_the_margin_is_what_the_ledger_says(accuracy: float, status: str) -> None:
    assert BOOK.claim(CLAIM).measure.margin == 0.3
    assert verdict(with_runs(trained(accuracy=accuracy))).status == status


def test_of_several_seeds_all_are_shown_and_the_median_is_judged() -> None:
    runs = [trained(accuracy=a, seed=s) for s, a in enumerate([0.90, 0.9448, 0.95])]
    found = verdict(with_runs(*runs))
    assert (found.status, found.words) == ("reproduced", "5.52")
    assert [each.label for each in found.findings] == [f"torch, seed {n}" for n in range(3)]
    assert verdict(with_runs(*runs[:2])).status == "differs"  # one good seed is not enough


ASKED = command.training(BOOK.claim(CLAIM).command)


def altered(**changes: Any) -> str:
    recipe = recorded(ASKED)
    recipe["stages"][0] |= changes
    return json.dumps(recipe)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"partial": True}, "on 50,000 + 10,000 images, not the whole of CIFAR-10"),
        ({"train": 49_999}, "on 49,999 + 10,000 images, not the whole of CIFAR-10"),
        ({"test": 1_000}, "on 50,000 + 1,000 images, not the whole of CIFAR-10"),
        ({"data": "cifar100"}, "on cifar100"),
        ({"start": "w.weights.h5"}, "it starts from w.weights.h5"),
        ({"recipe": altered(learning_rate=0.05)}, "learning rate 0.05"),
        ({"recipe": altered(label_noise=0.1)}, "label noise 0.1"),
        ({"recipe": altered(epochs=6), "steps": 6 * 781}, "epochs 6"),
        ({"steps": 159_999}, "159,999 steps of 160,000"),
        ({"steps": 160_001}, "160,001 steps of 160,000"),
    ],
)
def test_a_training_of_something_else_does_not_count(changes: dict[str, Any], why: str) -> None:
    found = verdict(with_runs(trained(**changes)))
    assert (found.status, found.here, found.findings) == ("not run", None, ())
    assert found.passed_over == {"data/runs/run-0/run.json": why}


@pytest.mark.parametrize("model", ["attention56-cifar@8", "attention92-cifar"])
def test_a_training_of_another_net_is_not_even_passed_over(model: str) -> None:
    found = verdict(with_runs(trained(model=model)))
    assert (found.status, found.passed_over) == ("not run", {})


def test_label_noise_counts_where_the_claim_asks_for_it_and_only_there() -> None:
    run = trained("paper-t5-92-30", accuracy=0.9421)
    assert verdict(with_runs(run), "paper-t5-92-30").status == "reproduced"
    for other in ("paper-t5-92-10", "paper-t5-92-50", "paper-t3-92-arl"):
        assert verdict(with_runs(run), other).status == "not run"


def test_a_twin_of_a_run_does_not_count() -> None:
    twin = replace(trained(accuracy=0.9448), twin=2)
    found = verdict(with_runs(twin))
    assert found.status == "not run"
    assert found.passed_over == {twin.path: "it is twin 2 of a run: its initial weights are moved"}
    assert verdict(with_runs(replace(twin, twin=0))).status != "not run"


def test_a_result_that_is_not_its_last_epochs_does_not_count() -> None:
    run = replace(trained(accuracy=0.9), test_accuracy=0.9448)
    found = verdict(with_runs(run))
    assert found.status == "not run"
    assert found.passed_over == {run.path: "its result is not that of its last epoch"}
    untested = replace(run, epochs=())
    assert verdict(with_runs(untested)).status == "not run"


def test_a_run_may_end_with_its_patience_and_not_before() -> None:
    claim = "rl3164-c10-56-arl-mixed"
    short = trained(claim, accuracy=0.8626, steps=30_000)
    assert verdict(with_runs(short), claim).status == "not run"
    assert verdict(with_runs(replace(short, stopped_early=True)), claim).status == "reproduced"
    impatient = replace(trained(steps=30_000), stopped_early=True)
    assert verdict(with_runs(impatient)).status == "not run"


@pytest.mark.parametrize(
    ("claim", "accuracy", "words"),
    [
        ("rl3164-c10-56-arl-mixed", 0.8626, "86.26"),
        ("tengshaofeng-92-mixup", 0.9, "91.00"),  # the best of all epochs
        ("paper-t7-56-top1", 0.7824, "21.76"),
        ("paper-t7-56-top5", 0.7824, "0.50"),
        ("rescon-c10-92-32-train", 0.8, "0.50"),  # of the last epoch's steps alone
        ("rescon-c10-92-32-test", 0.8, "0.40"),
    ],
)
def test_each_measure_takes_its_own_number(claim: str, accuracy: float, words: str) -> None:
    assert verdict(with_runs(trained(claim, accuracy)), claim).words == words


# Counts.

PARAMETERS = "paper-t2-56-parameters"
TORCH = "data/check-torch.json"


def checked(**changes: Any) -> Evidence:
    """The sample checks, with one net's result altered in torch's."""
    files = samples.reports()
    results = json.loads(files[TORCH])["results"]
    for result in results:
        if result["model"] == "attention56":
            result |= changes
    return records.evidence(samples.spoilt(files, TORCH, results=results))


def test_counts_are_judged_by_the_digits_in_print_in_both_readings() -> None:
    found = verdict(checked(), PARAMETERS)
    assert (found.status, found.reading) == ("reproduced", "with BN statistics")
    assert (found.words, found.apart) == ("31,883,432", "-0.05 %")
    labels = {each.label: each.value for each in found.findings}
    assert labels == {"trainable": 31_810_728, "with BN statistics": 31_883_432}
    other = verdict(checked(), "paper-t2-92-parameters")
    assert (other.status, other.reading, other.words) == ("differs", "", "52,466,344")


def test_the_paper_contradicts_itself_on_one_count() -> None:
    assert verdict(checked(), "paper-t2-56-macs").status == "differs"
    assert verdict(checked(), "paper-t7-56-macs").status == "reproduced"


DIFFERENCE = {"size": "224x224", "layer": "x", "what": "pad", "keras": "1", "prototxt": "0"}


def test_a_net_that_failed_its_check_has_no_count() -> None:
    files = samples.reports(("torch",))
    results = json.loads(files[TORCH])["results"]
    results[0] |= {"differences": [DIFFERENCE], "verdict": "fail"}
    evidence = records.evidence(samples.spoilt(files, TORCH, results=results))
    assert verdict(evidence, PARAMETERS).status == "not run"


def test_a_count_that_is_not_the_zoos_is_of_another_net() -> None:
    told = 52_466_344
    files = samples.reports(("torch",))
    results = json.loads(files[TORCH])["results"]
    (mine,) = (result for result in results if result["model"] == "attention92")
    mine["trainable_parameters"] = 51_300_000
    evidence = records.evidence(samples.spoilt(files, TORCH, results=results))
    assert zoo.ENTRIES["attention92"].integers.trainable_parameters == told  # type: ignore[union-attr]
    assert verdict(evidence, "paper-t2-92-parameters").status == "not run"


# Tampering with the record of a real training, which is judged by a ledger made for it.

ROOT = Path(__file__).parents[2] / "reports"
RUN = "data/runs/report-torch"


def tried(files: dict[str, bytes], value: str) -> Verdict:
    """The verdict on a claim that the digits training reaches a test accuracy."""
    text = f"""
[[source]]
name = "us"
title = "Us"
place = "here"
faults = []
[[data]]
name = "digits"
title = "digits"
option = "digits"
recorded = "digits"
train = 1437
test = 360
classes = 10
[[measure]]
name = "test-accuracy"
title = "test accuracy"
unit = "%"
of = "training"
margin = 0.01
reason = "so"
[[table]]
source = "us"
where = "here"
data = "digits"
measure = "test-accuracy"
command = "ranparity run --model {{net}} --data {{data}} --recipe digits"
rows = [{{ id = "it", named = "It", net = "attention56-cifar", value = "{value}" }}]
"""
    (found,) = claim_status.judge(ledger.parse(text), records.evidence(files))
    return found


@pytest.fixture(scope="module")
def real() -> dict[str, bytes]:
    names = ("run.json", "steps.jsonl", "epochs.csv")
    return {f"{RUN}/{name}": (ROOT / RUN / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def reached(real: dict[str, bytes]) -> str:
    return f"{100 * json.loads(real[f'{RUN}/run.json'])['test_accuracy']:.2f}"


def test_a_real_record_reproduces_its_own_number(real: dict[str, bytes], reached: str) -> None:
    assert tried(real, reached).status == "reproduced"
    assert tried(real, "99.99").status == "differs"


@pytest.mark.parametrize("gone", ["run.json", "steps.jsonl", "epochs.csv"])
def test_a_record_with_a_file_gone_shows_nothing(
    real: dict[str, bytes], reached: str, gone: str
) -> None:
    assert (
        tried({k: v for k, v in real.items() if not k.endswith(gone)}, reached).status == "not run"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "running"},
        {"status": "interrupted"},
        {"test_accuracy": 0.9999},
        {"steps": 175},
        {"tape_digest": "0" * 64},
        {"error": "none"},
        {"model": "attention92-cifar"},
        {"starting_weights": {"file": "w.weights.h5", "digest": "0"}},
        {"stages": [{"starting_weights": "w.weights.h5, digest 0"}]},
    ],
)
def test_a_record_that_was_altered_shows_nothing(
    real: dict[str, bytes], reached: str, changes: dict[str, Any]
) -> None:
    spoilt = samples.spoilt(real, f"{RUN}/run.json", **changes)
    for value in (reached, "99.99"):
        assert tried(spoilt, value).status == "not run"


@pytest.mark.parametrize("part", ["steps.jsonl", "epochs.csv"])
def test_a_log_that_was_cut_shows_nothing(real: dict[str, bytes], reached: str, part: str) -> None:
    lines = real[f"{RUN}/{part}"].splitlines(keepends=True)
    cut = real | {f"{RUN}/{part}": b"".join(lines[:-1])}
    assert tried(cut, reached).status == "not run"


def test_data_that_were_altered_show_nothing(real: dict[str, bytes], reached: str) -> None:
    run = json.loads(real[f"{RUN}/run.json"])
    for change in ({"partial": True}, {"name": "cifar10"}, {"train": 1436}, {"test": 359}):
        spoilt = samples.spoilt(real, f"{RUN}/run.json", data=run["data"] | change)
        assert tried(spoilt, reached).status == "not run"


# Directions.


def directed(*experiments: Any) -> list[claim_status.Trial]:
    files = {DIRECTIONS: json.dumps({"experiments": experiments}).encode()}
    return claim_status.trials(BOOK, records.evidence(files))


@pytest.mark.parametrize(
    ("holds", "status"),
    [("yes", "holds"), ("no", "does not hold"), ("inconclusive", "inconclusive")],
)
def test_a_direction_is_what_its_record_says(holds: str, status: str) -> None:
    first, *others = directed(experiment(holds=holds))
    assert (first.claim.id, first.status) == ("direction-residual-digits", status)
    assert first.experiment is not None
    assert {trial.status for trial in others} == {"not run"}


def test_a_direction_whose_record_is_damaged_is_not_run_and_says_why() -> None:
    first, *_ = directed(experiment(holds="surely"))
    assert (first.status, first.experiment) == ("not run", None)
    assert first.fault == 'expected yes, no, inconclusive as "holds", found "surely"'
    damaged = claim_status.trials(BOOK, records.evidence({DIRECTIONS: b"?"}))
    assert {(trial.status, bool(trial.fault)) for trial in damaged} == {("not run", True)}


def test_statuses_are_counted_in_words() -> None:
    verdicts = [verdict(checked(), name) for name in (PARAMETERS, "paper-t2-92-parameters", CLAIM)]
    assert claim_status.tally(verdicts) == "1 reproduced, 1 differs, 1 not run"
    assert claim_status.tally([verdicts[1]] * 2) == "2 differ"
    assert (
        claim_status.tally(directed(experiment())) == f"1 holds, {len(BOOK.directions) - 1} not run"
    )
    assert claim_status.tally([]) == ""


# What a reader asks for.


def test_filters() -> None:
    verdicts = claim_status.judge(BOOK, NOTHING)
    chosen = claim_status.chosen(verdicts, source="paper", net="attention92-cifar")
    assert {each.claim.source.name for each in chosen} == {"paper"}
    assert {each.claim.net for each in chosen} == {"attention92-cifar"}
    assert claim_status.chosen(verdicts, status="reproduced") == []
    assert len(claim_status.chosen(verdicts)) == len(BOOK.claims)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"source": "x"},
            "--source: expected one of dranet, e4040-rl3164, e4040-xh2510, paper, pytorch, qubvel, "
            "rescon, tengshaofeng. Received: 'x'",
        ),
        ({"name": "x"}, "--id: expected an id as the table has it. Received: 'x'"),
    ],
)
def test_an_unknown_name_is_told_in_one_line(option: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as error:
        claim_status.chosen(claim_status.judge(BOOK, NOTHING), **option)
    assert str(error.value) == message
