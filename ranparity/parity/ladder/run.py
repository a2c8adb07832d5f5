"""Cases of the ladder on some backends: starts the workers, judges what they write, tidies up."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ranparity import files, memory
from ranparity.caffe import opencv
from ranparity.caffe.arbiter.run import use_threads
from ranparity.data.download import default_cache
from ranparity.errors import InputError
from ranparity.models import entry, zoo
from ranparity.parity.ladder import free_run, judge, keras_references, references, repro, rounding
from ranparity.parity.ladder.case import LARGE, Case, Job
from ranparity.parity.ladder.evidence import of_level
from ranparity.parity.ladder.judge import Result
from ranparity.parity.ladder.references import CaffeReferences, References
from ranparity.parity.ladder.store import Store, give_up
from ranparity.training.backends import AUTO
from ranparity.workers import WorkerError, ahead, end_all, shares, stream

WORKER = "ranparity.parity.ladder.worker"
KERAS_ARBITER = "ranparity.parity.ladder.keras_arbiter"
OPENCV = "opencv"
PROTOTXT = "prototxt"
DOUBLE = "float64"  # the arbiters' precision, in which they round as much as a backend
DIGEST = "prototxt_digest"
SAME = ("weights", "slots", "batch")  # digests of what all backends begin with
Say = Callable[[str], None]


def default_references() -> Path:
    """Give the folder where the arbiter's tensors are kept; it can be removed at any time."""
    return default_cache() / "arbiter"


@dataclasses.dataclass
class Found:
    """What the ladder says of a case.

    Attributes:
        case: What was asked.
        results: Of levels 1 to 4, one for each backend and level, in the order in which they came.
        runs: Curves of level 5; empty without it.
        failures: Why a backend has no results, by its name.
        environments: What each backend ran on.
        seconds: Of each part.
        peak_memory: In bytes, of each backend's process and of the judge's.
        digests: Of what the backends began with.
        scripts: That replay the first difference, by backend, or why there is none.
        arbiter: What all is held against.
        excluded: Why somebody is not asked, by name.
        held: What `description` gives of the case.
    """

    case: Case
    results: list[Result] = dataclasses.field(default_factory=list)
    runs: dict[str, Any] = dataclasses.field(default_factory=dict)
    failures: dict[str, str] = dataclasses.field(default_factory=dict)
    environments: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    peak_memory: dict[str, int | None] = dataclasses.field(default_factory=dict)
    digests: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    scripts: dict[str, str] = dataclasses.field(default_factory=dict)
    arbiter: str = ""
    excluded: dict[str, str] = dataclasses.field(default_factory=dict)
    held: dict[str, str] = dataclasses.field(default_factory=dict)

    def to_json(self, *, rows: bool = False) -> dict[str, Any]:
        """It as data that JSON can hold."""
        found = []
        layers = list(next((each.layers for each in self.results if each.layers), {}))
        for result in self.results:
            content = result.to_json()
            if result.layers:
                content["layer_rho"] = [_short(result.layers.get(name)) for name in layers]
            if rows:
                content["rows"] = [row.to_json() for row in result.rows]
            found.append(content)
        return {
            "case": self.case.to_json(),
            **self.held,
            "arbiter": self.arbiter,
            "limit": rounding.LIMIT,
            "layers": layers,
            "results": [*found, *self._free_results()],
            "free_run": self.runs,
            "failures": self.failures,
            "excluded": self.excluded,
            "environments": self.environments,
            "digests": self.digests,
            "scripts": self.scripts,
            "seconds": self.seconds,
            "peak_memory": self.peak_memory,
            "verdict": self.verdict,
        }

    def _free_results(self) -> Iterator[dict[str, Any]]:
        for backend, verdict in self.runs.get("verdicts", {}).items():
            mine = [pair for pair in self.runs["pairs"] if backend in pair["backends"]]
            yield {
                "model": self.case.model,
                "backend": backend,
                "level": 5,
                "precision": self.case.precision,
                "tensors": len(mine) * (self.case.steps + 1),
                "worst_rho": None,
                "median_rho": None,
                "worst_ratio": max((float(pair["ratio"]) for pair in mine), default=None),
                "first_difference": None,
                "verdict": verdict,
            }

    @property
    def verdict(self) -> str:
        """`pass` where every level passes on every backend, and all began alike."""
        bad = self.failures or any(result.verdict != judge.PASS for result in self.results)
        apart = any(verdict != "pass" for verdict in self.runs.get("verdicts", {}).values())
        return judge.FAIL if bad or apart or self.began_apart else judge.PASS

    @property
    def began_apart(self) -> list[str]:
        """What the backends did not begin with alike."""
        return [key for key in SAME if len({d[key] for d in self.digests.values()}) > 1]


class Ladder:
    """Runs cases one after another.

    Args:
        backends: Names; level 4 takes its states from the first one's run.
        work: Folder for evidence, which is removed once it is judged.
        cache: Folder where the arbiter's tensors are kept.
        say: Told what is going on, in a line.
        opencv: Whether OpenCV gives its opinion too, at level 1.
        repro: Folder for scripts that replay the layer of the first tensor that differs.
        arbiter: The backend whose float64 an imported model is held against.
        device: On what backends compute, one of `backends.DEVICES`.
    """

    def __init__(
        self,
        backends: Sequence[str],
        work: Path,
        cache: Path,
        say: Say,
        *,
        opencv: bool = False,
        repro: Path | None = None,
        arbiter: str = "tensorflow",
        device: str = AUTO,
    ) -> None:
        self._backends, self._work, self._cache, self._say = backends, work, cache, say
        self._opencv, self._repro = opencv, repro
        self._arbiter, self._device = arbiter, device
        work.mkdir(parents=True, exist_ok=True)
        cache.mkdir(parents=True, exist_ok=True)

    def run(self, case: Case) -> Found:
        """Run a case on all backends and judge it; a backend whose process dies has failed.

        Raises:
            InputError: An imported model cannot be run.
        """
        arbiter = f"{self._arbiter if case.imported else PROTOTXT}, {DOUBLE}"
        # Before anybody reads the file: one that changes now is another one than was recorded.
        found = Found(case, arbiter=arbiter, held=description(case))
        place = Path(tempfile.mkdtemp(prefix="ladder-", dir=self._work))
        begun = time.perf_counter()
        use_threads(1)  # a backend's process is busy beside it
        memory.forget_peak()
        try:
            self._run_all(found, place)
            if self._opencv and 1 in case.levels:
                self._ask_opencv(found, place)
            if case.precision == DOUBLE:
                self._judge_pairs(found, place)
            if 5 in case.levels:
                self._compare_runs(found, place)
        except BaseException:
            end_all()  # or what is removed now comes back
            raise
        finally:
            shutil.rmtree(place, ignore_errors=True)
        found.seconds["all"] = round(time.perf_counter() - begun, 1)
        found.peak_memory["judge"] = memory.peak()
        return found

    def _run_all(self, found: Found, place: Path) -> None:
        """Run each backend, and judge it while others run."""
        case, together = found.case, min(_together(found.case), len(self._backends))
        parts, workers = shares(together), {}
        for name, part in zip(self._backends, parts, strict=False):
            workers[name] = self._start(case, name, place, part)
        for number, backend in enumerate(self._backends):
            self._say(f"{case.model}: running on {backend}")
            done = self._finish(found, backend, workers[backend])
            for later in self._backends[number + together : number + together + 1]:
                workers[later] = self._start(case, later, place, parts[number % together])
            if done and case.imported and number == 0:
                self._ask_keras(found, place)
            if done:
                self._judge(found, backend, place)
            else:
                give_up(place / backend)

    def _start(
        self, case: Case, backend: str, place: Path, processors: Sequence[int]
    ) -> Iterator[dict[str, Any]]:
        first = self._backends[0]
        common = "" if backend == first else str(place / first)
        job = Job(case.to_json(), str(place / backend), common, self._device)
        path = place / f"{backend}.json"
        path.write_text(json.dumps([dataclasses.asdict(job)]), encoding="utf-8")
        return ahead(stream(backend, WORKER, [str(path)], processors))

    def _finish(self, found: Found, backend: str, lines: Iterator[dict[str, Any]]) -> bool:
        """Wait for a worker; says whether it has done its work.

        Raises:
            InputError: The backend cannot be had as it is asked for, or an imported model not run.
        """
        first: dict[str, Any] | None = None
        try:
            first = next(lines, {})
            found.environments[backend] = first.get("environment", {})
            (done,) = lines
        except (WorkerError, ValueError, InputError) as error:
            followed = found.case.imported and backend == self._backends[0]
            if isinstance(error, InputError) and (first is None or followed):
                raise
            found.failures[backend] = str(error)
            return False
        if "error" in done:
            found.failures[backend] = done["error"]
            return False
        found.seconds[backend] = done["seconds"]
        found.peak_memory[backend] = done["peak_memory"]
        found.digests[backend] = {key: done[key] for key in SAME}
        return True

    def _judge(self, found: Found, backend: str, place: Path) -> None:
        begun = time.perf_counter()
        self._say(f"{found.case.model}: judging {backend}")
        try:
            common = Store(place / self._backends[0])
            evidence = Store(place / backend)
            cache = _keras_cache(place) if found.case.imported else self._cache
            results = list(judged(found.case, backend, evidence, common, cache))
            found.results += results
            self._write_script(found, evidence, results)
        except InputError as error:
            found.failures[backend] = str(error)
        key = f"judging {backend}"
        found.seconds[key] = round(time.perf_counter() - begun, 1)

    def _write_script(self, found: Found, evidence: Store, results: Sequence[Result]) -> None:
        """Replay the first difference of level 1 or 2, if there is one."""
        first = next((r for r in results if r.first and r.level in (1, 2)), None)
        if self._repro is None or first is None:
            return
        reference = _of_caffe(found.case, evidence, self._cache, training=first.level == 2)
        tensors = of_level(found.case, evidence, first.level)
        try:
            script = repro.write(first, tensors, reference, self._repro)
            found.scripts[first.backend] = f"{script}"
        except InputError as error:
            found.scripts[first.backend] = str(error)

    def _ask_opencv(self, found: Found, place: Path) -> None:
        """Hold OpenCV's blobs against the arbiter's, as a backend's."""
        self._say(f"{found.case.model}: asking OpenCV")
        begun = time.perf_counter()
        try:
            started = next(name for name in self._backends if name not in found.failures)
            evidence = Store(place / started)
            reference = _of_caffe(found.case, evidence, self._cache, training=False)
            found.results.append(judge.opinion(found.case, OPENCV, opencv.forward, reference))
        except opencv.NotAskedError as error:
            found.excluded[OPENCV] = str(error)
        except StopIteration:
            found.failures[OPENCV] = "no backend has written the weights that it would start with"
        except InputError as error:
            found.failures[OPENCV] = str(error)
        found.seconds[OPENCV] = round(time.perf_counter() - begun, 1)

    def _judge_pairs(self, found: Found, place: Path) -> None:
        """Hold each two backends against each other."""
        stores = {
            name: Store(place / name) for name in self._backends if name not in found.failures
        }
        cache = _keras_cache(place) if found.case.imported else self._cache
        for one, other in itertools.combinations(stores, 2):
            for level, training in ((1, False), (2, True)):
                if level in found.case.levels:
                    reference = _reference(found.case, stores[one], cache, training=training)
                    both = stores[one], stores[other]
                    found.results.append(judge.pair(found.case, (one, other), *both, reference))

    def _ask_keras(self, found: Found, place: Path) -> None:
        """Let a backend's float64 be the arbiter of a model that has no prototxt."""
        self._say(f"{found.case.model}: {self._arbiter}'s float64 is the arbiter")
        begun = time.perf_counter()
        first = self._backends[0]
        job = Job(found.case.to_json(), str(_keras_cache(place)), str(place / first))
        path = place / "arbiter.json"
        path.write_text(json.dumps([dataclasses.asdict(job)]), encoding="utf-8")
        try:
            (done,) = stream(self._arbiter, KERAS_ARBITER, [str(path)])
        except WorkerError as error:
            raise InputError(
                f"{found.case.model}: {self._arbiter} cannot be its arbiter: ask with another "
                f"--arbiter. {error}"
            ) from None
        found.peak_memory["arbiter"] = done["peak_memory"]
        if not done["whole"]:
            found.arbiter += ", of which Keras makes float32 in places"
        found.seconds["arbiter"] = round(time.perf_counter() - begun, 1)

    def _compare_runs(self, found: Found, place: Path) -> None:
        names = [name for name in self._backends if name not in found.failures]
        runs = [free_run.read(name, Store(place / name)) for name in names]
        pairs = free_run.pairs(runs)
        found.runs = free_run.curves(runs, pairs) | {
            "data": Store(place / names[0]).about["data"] if names else "",
            "verdicts": dict(free_run.verdicts(pairs)),
        }


def _short(rho: float | None) -> Any:
    """Give a rho as a record holds hundreds of them: to three digits."""
    return rho if rho is None else rounding.in_json(float(f"{rho:.3g}"))


def description(case: Case) -> dict[str, str]:
    """Give which prototxt a case is held against, and its SHA-256, as the record has them.

    Nothing where there is no such file: a narrow twin's is written for the occasion, and a model of
    one's own has none.

    Raises:
        InputError: The zoo has no such net, or no such file.
        OSError: The file cannot be read.
    """
    if case.of_file:
        path = Path(case.model)
        ours = path.resolve().parent in entry.PROTOTXT_FOLDERS
    elif case.imported or "@" in case.model:
        return {}
    else:
        path, ours = zoo.entry(case.model).prototxt, True
    name = f"{PROTOTXT}/{path.name}" if ours else path.name
    return {"prototxt": name, DIGEST: files.digest(path)}


def _together(case: Case) -> int:
    """How many backends run at once: two, unless memory is dear or the first one has to begin."""
    return 1 if case.imported or max(case.size) > LARGE else 2


def judged(
    case: Case, backend: str, evidence: Store, common: Store, cache: Path
) -> Iterator[Result]:
    """Judge a backend's evidence, levels 1 to 4.

    Args:
        case: What was asked.
        backend: Whose evidence it is.
        evidence: What it has written.
        common: The evidence that holds the states of level 4.
        cache: Folder where the arbiter's tensors are kept: of an imported model beside `common`.
    """
    if 1 in case.levels:
        expected = _reference(case, evidence, cache, training=False)
        level = judge.forward(case, backend, evidence, expected)
        del expected  # before the next is computed
        yield level
    if {2, 3} & set(case.levels):
        expected = _reference(case, evidence, cache, training=True)
        both = judge.training(case, backend, evidence, expected)
        yield from (result for result in both if result.level in case.levels)
    if 4 in case.levels:
        steps = Store(evidence.folder.with_name(f"{evidence.folder.name}-lockstep"))
        parts = []
        for step in case.snapshots:
            expected = _reference(case, common, cache, f"4@{step}/start", training=True)
            _, update = judge.training(case, backend, steps, expected, f"4@{step}/")
            parts.append((step, update))
        yield judge.lockstep(case, backend, parts)


def _reference(
    case: Case, evidence: Store, cache: Path, prefix: str = "start", *, training: bool
) -> References:
    """Give what the arbiter gives for a moment of some evidence."""
    if case.imported:
        return keras_references.read(cache, prefix, case.precision, training=training)
    return _of_caffe(case, evidence, cache, prefix, training=training)


def _of_caffe(
    case: Case, evidence: Store, cache: Path, prefix: str = "start", *, training: bool
) -> CaffeReferences:
    asked = references.asked(case, evidence, prefix, training=training)
    return references.find(asked, cache, case.precision)


def _keras_cache(place: Path) -> Path:
    return place / "arbiter"
