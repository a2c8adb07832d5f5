"""Tries claims about which of two is larger, at small scale, over several seeds.

`nox -s directions -- --cifar FOLDER`, or `python -m ranparity.parity.directions --help`. Narrow
twins of the nets train on digits and, where a folder with CIFAR-10's binary files is given (all of
the records or some), on those. A process trains a net on one kind of data with all seeds; as many
processes work at once as there are processors, each on one of them.

Statistics, their direction and the rule are in `ranparity.parity.experiments`. What is known is
written to reports/data/directions.json after each experiment. A run that is finished is not done
again. Nothing here imports a framework.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ranparity import data, schema
from ranparity.errors import InputError
from ranparity.files import check_writable, write_text
from ranparity.parity import benches, experiments, sessions
from ranparity.parity.benches import Bench
from ranparity.parity.experiments import RULE, Condition, Experiment
from ranparity.parity.several import Work
from ranparity.parity.trainings import Job, carry_out
from ranparity.training import directory

NAME = "directions.json"
BACKEND = "tensorflow"  # on one processor its step is the fastest for nets as narrow as these
DEPTHS = (56, 92)
NARROW = "@4"  # with an eighth of the width, nets learn next to nothing in so few steps
SEEDS = 4
# Of run.json, in what the record has of a run.
KEPT = (
    "seed",
    "steps",
    "test_loss",
    "initial_weights_digest",
    "tape_digest",
    "final_weights_digest",
    "seconds",
)
DESCRIPTION = """\
Train narrow nets with several seeds, and say of each direction whether it holds, by a rule that was
stated beforehand. Runs that are finished are passed over: the session goes on where it was ended.
"""


class Session:
    """One go through the experiments.

    Args:
        bench: The data.
        tried: What is tried on them.
        seeds: How many: from 0 on.
        runs: Where run directories are.
    """

    def __init__(self, bench: Bench, tried: Sequence[Experiment], seeds: int, runs: Path) -> None:
        self._bench, self._seeds, self._runs = bench, range(seeds), runs
        self.experiments = tried
        self.errors: dict[Condition, str] = {}

    def jobs(self, *, again: bool) -> dict[Job, Condition]:
        """Give a job for each condition that has runs to do, those that take longest first."""
        conditions = {each: 0 for one in self.experiments for each in one.factors}
        found = {}
        for condition in sorted(conditions, key=lambda each: "56" in each.model):
            left = {
                str(seed): str(self.folder(condition, seed))
                for seed in self._seeds
                if again or not self.finished(condition, seed)
            }
            if left:
                found[self._job(condition, left)] = condition
        return found

    def _job(self, condition: Condition, runs: Mapping[str, str]) -> Job:
        bench = self._bench
        work = Work(
            backend=BACKEND,
            model=condition.model,
            data=bench.spec,
            partial=bench.partial,
            recipe=bench.recipe,
            changes=bench.changes(condition),
            runs=runs,
        )
        program = (sys.executable, "-m", "ranparity.parity.several", work.to_json())
        return Job(f"{bench.name}: {_label(condition)}", BACKEND, program)

    def folder(self, condition: Condition, seed: int) -> Path:
        """Give a run's directory."""
        return self._runs / self._bench.name / f"{_label(condition)}-seed{seed}"

    def finished(self, condition: Condition, seed: int) -> dict[str, Any]:
        """Give a finished run's `run.json`, if it was trained as it would be now; else nothing."""
        with contextlib.suppress(InputError):
            run = directory.read_run(self.folder(condition, seed))
            stage = run["recipe"]["stages"][0]
            wanted = json.loads(json.dumps(self._bench.changes(condition)))
            alike = all(stage.get(key) == value for key, value in wanted.items())
            if run.get("status") == "finished" and alike:
                return run
        return {}

    def results(self) -> Iterator[dict[str, Any]]:
        """Give what the record has of each experiment."""
        for experiment in self.experiments:
            rows = {
                (condition, seed): run
                for condition in experiment.factors
                for seed in self._seeds
                if (run := self.finished(condition, seed))
            }
            yield self._result(experiment, rows)

    def _result(
        self, experiment: Experiment, rows: Mapping[tuple[Condition, int], dict[str, Any]]
    ) -> dict[str, Any]:
        whole = [
            seed for seed in self._seeds if all((each, seed) in rows for each in experiment.factors)
        ]
        values = [
            experiment.value({each: _error(rows[each, seed]) for each in experiment.factors})
            for seed in whole
        ]
        failed = [
            f"{_label(each)}: {self.errors.get(each, 'not run')}"
            for each in experiment.factors
            if any((each, seed) not in rows for seed in self._seeds)
        ]
        return {
            "name": experiment.name,
            "data": self._bench.name,
            "what": f"{experiment.what}; {self._length(experiment)}",
            "statistic": experiment.statistic,
            "direction": experiment.direction,
            "rule": RULE,
            "seeds": whole,
            **(experiments.judged(values) if len(values) > 1 else {}),
            "failed": failed,
            "runs": [_row(condition, run) for (condition, _), run in rows.items()],
        }

    def _length(self, experiment: Experiment) -> str:
        """Say how long the nets of an experiment train."""
        changes = [self._bench.changes(each) for each in experiment.factors]
        epochs = " or ".join(sorted({str(each["epochs"]) for each in changes}))
        sizes = " or ".join(sorted({str(each["batch_size"]) for each in changes}))
        return f"{epochs} epochs in batches of {sizes}"

    def environments(self) -> list[dict[str, Any]]:
        """Give what the runs ran on, each once."""
        found: dict[str, dict[str, Any]] = {}
        for experiment in self.experiments:
            for condition in experiment.factors:
                for seed in self._seeds:
                    if run := self.finished(condition, seed):
                        key = json.dumps(run["environment"], sort_keys=True)
                        found[key] = run["environment"]
        return list(found.values())


def _label(condition: Condition) -> str:
    return f"{condition.model}-noise{condition.noise:g}" if condition.noise else condition.model


def _error(run: Mapping[str, Any]) -> float:
    """Give the held-out error, in points of percent."""
    return 100 * (1 - float(run["test_accuracy"]))


def _row(condition: Condition, run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": condition.model,
        "noise": condition.noise,
        "accuracy": run["test_accuracy"],
        **{key: run[key] for key in KEPT},
    }


def main(argv: Sequence[str]) -> int:
    """Run the command line; gives the exit status: 0 done, 1 a training failed, 2 bad input.

    That a direction does not hold is a result, and no failure.
    """
    parser = argparse.ArgumentParser(
        prog="python -m ranparity.parity.directions", description=DESCRIPTION
    )
    add = parser.add_argument
    add("--cifar", type=Path, metavar="FOLDER", help="CIFAR-10's binary files, all or some of them")
    add("--seeds", type=int, default=SEEDS, help="from 0 on (default: %(default)s)")
    add("--out", type=Path, default=Path("reports/data"), help="default: %(default)s")
    add("--runs", type=Path, default=Path("runs/directions"), help="default: %(default)s")
    add("--again", action="store_true", help="train again what is trained already")
    args = parser.parse_args(argv)
    if args.seeds < 2:
        raise InputError(f"--seeds: expected 2 or more. Received: {args.seeds}")
    args.out.mkdir(parents=True, exist_ok=True)
    check_writable(args.out / NAME)
    sessions.named(BACKEND)
    tried = experiments.experiments(DEPTHS, NARROW)
    chosen = benches.chosen(args.cifar)
    parts = [Session(bench, tried, args.seeds, args.runs) for bench in chosen]
    for bench in chosen:
        data.load(bench.spec, partial=bench.partial)  # refused now, and not an hour later
    _carry_out(parts, args.out / NAME, again=args.again)
    return 1 if any(part.errors for part in parts) else 0


def _carry_out(parts: Sequence[Session], path: Path, *, again: bool) -> None:
    """Train what is not trained yet, and write the record after each process."""
    jobs = {job: (part, c) for part in parts for job, c in part.jobs(again=again).items()}
    with tqdm(total=len(jobs), unit="net", disable=not sys.stderr.isatty()) as bar:
        for job, error in carry_out(list(jobs)):
            part, condition = jobs[job]
            if error:
                part.errors[condition] = error
            bar.write(f"{job.name}: {error or 'trained'}", file=sys.stderr)
            bar.update()
            _write(parts, path)
    _write(parts, path)
    for result in (result for part in parts for result in part.results()):
        print(_line(result), file=sys.stderr)


def _write(parts: Sequence[Session], path: Path) -> None:
    places = [place for part in parts for place in part.environments()]
    content = {
        "experiments": [result for part in parts for result in part.results()],
        "backend": BACKEND,
        "environment": places[0] if places else None,
        "source_digests": sorted({place["source_digest"] for place in places}),
    }
    text = json.dumps(schema.versioned(content), indent=1, allow_nan=False)
    write_text(path, text + "\n")


def _line(result: Mapping[str, Any]) -> str:
    """Give a line for a reader."""
    what = f"{result['name']} on {result['data']}"
    if "holds" not in result:
        return f"{what}: FAILED: {'; '.join(result['failed'])}"
    low, high = result["interval"]
    return (
        f"{what}: {result['holds']}: mean {result['mean']:+.2f}, standard deviation "
        f"{result['spread']:.2f}, interval {low:+.2f} to {high:+.2f}"
    )


if __name__ == "__main__":
    sys.exit(sessions.guarded(main))
