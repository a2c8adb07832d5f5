"""The process of a backend: runs cases of the ladder and writes down every tensor.

`python -m ranparity.parity.ladder.worker FILE`: the file holds a list of jobs, see `Job`. A line is
printed first that says what it runs on, and one for each case. Variables go by the tape's names, in
Keras's layouts, and blobs by Caffe's names, in the data format of the case:

    start/weights/NAME, start/slots/NAME/SLOT, start/images, start/targets, start/step, start/rate
    given/NAME                  of an imported model: what it brings
    1/blob/NAME                                 inference mode
    2/blob/NAME, 2/slots/NAME/gradient, 2/loss  training mode, with all to be read; and of
        2/weights/NAME, 2/slots/NAME/SLOT       after it those that are not 3's bit for bit
    3/weights/NAME, 3/slots/NAME/SLOT, 3/loss   after the step that `ranparity run` takes
    4@STEP/start/..., 4@STEP/2/..., 4@STEP/3/...   the same, from a state that all backends share
    5/losses, 5/path                            of a run: (steps,), and (steps + 1, weights)
    5/twin/NUMBER/losses, 5/twin/NUMBER/distances   of its twins: (steps,), (steps + 1,)
"""

from __future__ import annotations

import gc
import json
import os
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity import memory
from ranparity.data import digest
from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.parity.ladder import case as cases
from ranparity.parity.ladder import faults, feed, probe, state
from ranparity.parity.ladder.case import Case, Job
from ranparity.parity.ladder.free_run import distance
from ranparity.parity.ladder.store import Store, Under, Writer, wait_for
from ranparity.parity.ladder.subjects import subject
from ranparity.training import backends, environment, precisions, probing, twins, variables
from ranparity.training.backends import Backend, Trainer
from ranparity.training.update import IDLE, Update
from ranparity.training.variables import Model
from ranparity.workers import serve

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Moment:
    """A moment in a training, and what the step sees that comes next.

    Attributes:
        weights: All variables by name.
        slots: By NAME/SLOT.
        images: NHWC.
        targets: (N, classes).
        step: Counted from 0 since the slots were zeros.
        rate: The learning rate.
    """

    weights: Arrays
    slots: Arrays
    images: NDArray[np.float32]
    targets: NDArray[np.float32]
    step: int
    rate: float

    def write(self, out: Writer, prefix: str) -> None:
        """Write it down."""
        out.add_all(f"{prefix}/weights", self.weights)
        out.add_all(f"{prefix}/slots", self.slots)
        for name in ("images", "targets", "step", "rate"):
            out.add(f"{prefix}/{name}", np.asarray(getattr(self, name)))

    @staticmethod
    def read(store: Store | Writer, prefix: str) -> Moment:
        """Give what `write` has written down, each tensor in its file until it is used."""
        return Moment(
            weights=Under(store, f"{prefix}/weights"),
            slots=Under(store, f"{prefix}/slots"),
            images=store[f"{prefix}/images"],
            targets=store[f"{prefix}/targets"],
            step=int(store[f"{prefix}/step"]),
            rate=float(store[f"{prefix}/rate"]),
        )


def main(arguments: Sequence[str]) -> None:
    """Run the cases of a file."""
    (path,) = arguments
    jobs = [Job(**job) for job in json.loads(Path(path).read_text(encoding="utf-8"))]
    chosen, _ = backends.choose(None, os.environ)
    asked = [cases.from_json(job.case) for job in jobs]
    _keep_to(asked[0].threads)
    how: dict[str, Any] = {"device": jobs[0].device, "devices": asked[0].devices}
    backend, switches = backends.start(chosen, asked[0].precision, **how)
    probing.check(backend, chosen, asked[0].precision)
    import keras

    print(json.dumps({"environment": environment.describe(chosen, backend.device(), switches)}))
    program: Program | None = None
    for number, (job, case) in enumerate(zip(jobs, asked, strict=True), 1):
        begun = time.perf_counter()
        try:
            if program is None or program.case != _program(case):
                program = None
                keras.backend.clear_session()
                backends.set_precision(case.precision)
                program = Program(_program(case), backend)
            again = any(_program(later) == program.case for later in asked[number:])
            program.keeps = again or bool({4, 5} & set(case.levels))
            found = program.run(case, Path(job.folder), Path(job.common) if job.common else None)
        except Exception as error:  # of any kind: the next case may do
            if case.imported and isinstance(error, InputError):
                raise
            traceback.print_exc()
            found, program = {"error": f"{type(error).__name__}: {error}"}, None
        seconds = round(time.perf_counter() - begun, 3)
        about = {"seconds": seconds, "peak_memory": memory.peak()}
        print(json.dumps({"folder": job.folder, **found, **about}), flush=True)


def _program(case: Case) -> Case:
    """What a backend compiles for a case: nothing of its own for a fault that is elsewhere."""
    compiled = case.fault and faults.named(case.fault).is_compiled
    return replace(case.program, fault=case.fault if compiled else "")


def _keep_to(threads: int) -> None:
    """Let this process use so many processors, from which backends take the number of threads."""
    if threads and hasattr(os, "sched_setaffinity"):
        usable = sorted(os.sched_getaffinity(0))
        first = os.getpid() % len(usable)  # so that not all of them share one processor
        os.sched_setaffinity(0, (usable[first:] + usable)[:threads])


class Program:
    """A net on this process's backend, built and compiled once for cases that differ in seed.

    Args:
        case: One of them.
        backend: The process's.

    Attributes:
        keeps: Whether what a level has used stays: another level or case will want it.
    """

    def __init__(self, case: Case, backend: Backend) -> None:
        self.case = self._case = case
        self._backend = backend
        self.keeps = True
        self.subject = subject(case)
        self.built = self.fault = faults.named(case.fault)
        self._text = self.subject.prototxt()

    @cached_property
    def update(self) -> Update:
        """The update rule of the recipe that a run of this net takes."""
        return self.built.update(self._rule)

    @property
    def _rule(self) -> Update:
        """The update rule as it should be."""
        stage = self.subject.stage
        return Update(stage.update, stage.momentum, stage.weight_decay)

    @cached_property
    def model(self) -> Model:
        """The net up to its logits."""
        model = self.subject.trained()
        self.built.alter(model)
        return model

    @cached_property
    def bare(self) -> Trainer:
        """What trains in `ranparity run`."""
        return self._trainer(self.model, self.update, self.case.devices)

    @cached_property
    def tapped(self) -> tuple[Trainer, Model]:
        """The same layers and the same step, with every blob and gradient to be read."""
        model = probe.tapped(self.subject.readable(self.model), self.case.batch_size)
        return self._trainer(model, probe.recording(self.update)), model

    @cached_property
    def inferring(self) -> tuple[Trainer, probe.Blobs]:
        """The net as it infers, whose output is all blobs in a row."""
        model = self.subject.inferred()
        self.built.alter(model)
        row, blobs = probe.flat(model)
        return self._backend.trainer(row, IDLE), blobs

    def _trainer(self, model: Model, update: Update, devices: int = 1) -> Trainer:
        scaled = precisions.is_scaled(self.case.precision)
        return self._backend.trainer(model, update, scaled=scaled, devices=devices)

    def run(self, case: Case, folder: Path, common: Path | None) -> dict[str, Any]:
        """Run a case; see `Job`.

        Returns:
            Digests of what all backends begin with alike.
        """
        self._case = case
        self.fault = self.built if case.fault == self.case.fault else faults.named(case.fault)
        out, tape = Writer(folder), Tape(case.seed)
        given = wait_for(common).under("given") if case.imported and common else {}
        drawn = self.subject.start(self.model, tape, given)
        images, targets = self.subject.batch(tape)
        Moment(
            weights=self.subject.moved(tape, drawn),
            slots=state.slots(tape, self._empty_slots()),
            images=images,
            targets=targets,
            step=cases.STEPS_BEFORE,
            rate=self.subject.stage.learning_rate,
        ).write(out, "start")
        begun = Moment.read(out, "start")
        digests = {
            "weights": digest.of_named_arrays(begun.weights),
            "slots": digest.of_named_arrays(begun.slots),
            "batch": digest.of_arrays((begun.images, begun.targets)),
        }
        if case.imported:
            out.add_all("given", drawn)
        if 1 in case.levels:
            self._infer(out, begun)
        if {2, 3} & set(case.levels):
            self._step(out, begun, "")
        words = ""
        if 5 in case.levels or (4 in case.levels and common is None):
            words = self._run_freely(out, case, drawn)
        out.close(
            case=case.to_json(),
            prototxt=self._text,
            rule=asdict(self._rule),
            data=words,
            altered=self.fault.altered,
        )
        if 4 in case.levels:
            self._lockstep(case, folder, common or folder)
        return digests

    def _empty_slots(self) -> dict[str, NDArray[Any]]:
        zeros = variables.zeros(self.model)
        return {
            f"{name}/{slot}": zeros[name] for name in self._trained for slot in self.update.slots
        }

    def _infer(self, out: Writer, begun: Moment) -> None:
        """Level 1: every blob in inference mode, as `ranparity evaluate` runs a net."""
        trainer, blobs = self.inferring
        trainer.restore(begun.weights, trainer.slots())
        row = trainer.logits(self.subject.arranged(begun.images))
        for name, blob in probe.parted(row, blobs, self.case.batch_size):
            out.add(f"1/blob/{name}", blob)
        del trainer, row
        self._done_with("inferring")

    def _step(self, out: Writer, moment: Moment, prefix: str) -> None:
        """Levels 2 and 3: the step with every tensor to be read, and the very step of a run."""
        trainer = self.bare
        trainer.restore(moment.weights, moment.slots)
        out.add(f"{prefix}3/loss", np.asarray(self._taken(trainer, moment)))
        out.add_all(f"{prefix}3/weights", trainer.weights())
        out.add_all(f"{prefix}3/slots", trainer.slots())
        if self.case.devices > 1 and not self.keeps:
            trainer.finish()  # other processes may compute with it
        del trainer
        self._done_with("bare")
        self._probe(out, moment, prefix)

    def _probe(self, out: Writer, moment: Moment, prefix: str) -> None:
        """Level 2, once level 3 is written down."""
        trainer, model = self.tapped
        zeros = variables.zeros(model)
        gradients = {f"{name}/{probe.GRADIENT}": zeros[name] for name in self._trained}
        trainer.restore(zeros | dict(moment.weights), gradients | dict(moment.slots))
        out.add(f"{prefix}2/loss", np.asarray(self._taken(trainer, moment)))
        memory.give_back()
        for name in zeros:
            value = trainer.weight(name)
            if blob := probe.kept(name):
                out.add(f"{prefix}2/blob/{blob}", value)
            elif _differ(value, out[f"{prefix}3/weights/{name}"]):
                out.add(f"{prefix}2/weights/{name}", value)
        for name, value in trainer.slots().items():
            if name in gradients or _differ(value, out[f"{prefix}3/slots/{name}"]):
                out.add(f"{prefix}2/slots/{name}", value)

    def _done_with(self, part: str) -> None:
        """Drop what a level has compiled and filled, unless it is asked for again."""
        if not self.keeps:
            del self.__dict__[part]
            gc.collect()  # what a framework has compiled refers to itself
        memory.give_back()

    def _taken(self, trainer: Trainer, moment: Moment) -> float:
        """Take the step; gives the loss.

        Where the loss is scaled, as often as it takes: a step that is left out changes nothing but
        the scale.
        """
        images, targets = self.fault.batch(moment.images, moment.targets)
        scalars = self.update.scalars(*self.fault.clock(self._case, moment.step, moment.rate))
        while True:
            before = trainer.scaling
            loss = trainer.step(self.subject.arranged(images), targets, scalars)
            after = trainer.scaling
            if before is None or after is None or after.skipped == before.skipped:
                return loss

    def _run_freely(self, out: Writer, case: Case, drawn: Arrays) -> str:
        """Level 5: a run and its twins; and the states that level 4 begins at.

        Returns:
            What it trains on.
        """
        feeding, words = self.subject.feed()
        tape, trained = Tape(case.seed), self._trained
        path, losses = [_flat(drawn, trained)], []
        for moment, loss in self._free(case, feeding, drawn):
            path.append(_flat(self.bare.weights(), trained))
            losses.append(loss)
            if moment.weights:
                moment.write(out, f"4@{moment.step}/start")
        out.add("5/losses", np.asarray(losses))
        out.add("5/path", np.stack(path))
        for number in range(case.twins if 5 in case.levels else 0):
            begun = {name: drawn[name] for name in trained}
            moved = twins.twin(tape, begun, number + 1, case.precision)
            start = dict(drawn) | moved
            apart, losses = [distance(_flat(start, trained), path[0])], []
            for moment, loss in self._free(case, feeding, start):
                here = _flat(self.bare.weights(), trained)
                apart.append(distance(here, path[moment.step + 1]))
                losses.append(loss)
            out.add(f"5/twin/{number}/distances", np.asarray(apart))
            out.add(f"5/twin/{number}/losses", np.asarray(losses))
        return words

    @property
    def _trained(self) -> list[str]:
        return variables.names(self.model, self.model.trainable_variables)

    def _free(
        self, case: Case, feeding: feed.Feed, start: Arrays
    ) -> Iterator[tuple[Moment, float]]:
        """Train from a start; gives each step's moment once it is taken, and its loss.

        A moment has weights and slots where it is one of level 4's.
        """
        trainer = self.bare
        trainer.restore(start, self._empty_slots())
        for step in range(case.steps):
            images, targets = feeding(self.fault.order(step))
            known = 4 in case.levels and step in case.snapshots
            moment = Moment(
                weights=trainer.weights() if known else {},
                slots=trainer.slots() if known else {},
                images=images,
                targets=targets,
                step=step,
                rate=feed.rate(self.subject.stage, case, step),
            )
            yield moment, self._taken(trainer, moment)

    def _lockstep(self, case: Case, folder: Path, common: Path) -> None:
        """Level 4: steps of the run, each from the state that is common to all backends.

        The evidence goes into a folder beside that of the other levels.
        """
        states = wait_for(common)
        out = Writer(folder.with_name(f"{folder.name}-lockstep"))
        for step in case.snapshots:
            self._step(out, Moment.read(states, f"4@{step}/start"), f"4@{step}/")
        out.close(case=case.to_json())


def _differ(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two tensors differ in a bit."""
    return one.tobytes() != other.tobytes()


def _flat(values: Arrays, names: Sequence[str]) -> NDArray[Any]:
    return np.concatenate([values[name].ravel() for name in names])


if __name__ == "__main__":
    serve(main)
