"""The arbiter of a model without a prototxt: a backend's float64, and noise in place of roundings.

`python -m ranparity.parity.ladder.keras_arbiter FILE`: the file holds one job, whose `common` is
the evidence with the moments to execute, and whose folder takes the references. It prints whether
Keras keeps float64 there: but on TensorFlow, its `result_type` makes float32 of it, and layers such
as BatchNormalization cast to that (keras/src/backend/common/dtypes.py, Keras 3.15). A backend's own
faults are in its float64 as well, so what differs here differs from that backend: where all others
differ from it alike, the fault is in it.

Noise is as `ranparity.caffe.arbiter.noise` has it, on what each layer gives and on the gradients
that go back out of it. How many terms a layer adds up is read off its shapes: what each element of
its outputs can have been added up of, by the sizes of its kernels and inputs.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ranparity import memory
from ranparity.caffe.arbiter.explained import RUNS, UNDECIDED_RUNS
from ranparity.caffe.arbiter.noise import UNIT_ROUNDOFF, Noise
from ranparity.parity.ladder import case as cases
from ranparity.parity.ladder import evidence, probe
from ranparity.parity.ladder.case import Case, Job
from ranparity.parity.ladder.imported import Imported, blob_names, is_float, through
from ranparity.parity.ladder.keras_references import folder_of
from ranparity.parity.ladder.references import SEED, UNDECIDED
from ranparity.parity.ladder.rounding import MEASURED
from ranparity.parity.ladder.store import Store, Writer
from ranparity.parity.ladder.worker import Moment
from ranparity.training import variables
from ranparity.training.backends import Backend, Trainer
from ranparity.training.update import IDLE, Arithmetic, Update
from ranparity.training.variables import Model

Array = NDArray[Any]
GRADIENT_SLOT = f"/{probe.GRADIENT}"
SIMPLE = (bool, int, float, str)


@dataclass(frozen=True)
class Terms:
    """How many terms a layer adds up at most.

    Attributes:
        forward: In an element of what it gives.
        backward: In an element of its input's gradient.
        weights: In an element of a weight's gradient.
    """

    forward: float
    backward: float
    weights: float


def terms(layer: Any, inputs: Sequence[Any], outputs: Sequence[Any], batch: int) -> Terms:
    """Read off the shapes how many terms a layer adds up.

    Args:
        layer: Built; or an operation.
        inputs: Its tensors.
        outputs: Its tensors.
        batch: How many items there are where a shape says None.
    """
    read, made = (sum(_size(x, batch) for x in each) or 1 for each in (inputs, outputs))
    weights = getattr(layer, "trainable_weights", [])
    kernels = sum(math.prod(weight.shape) for weight in weights if len(weight.shape) > 1)
    before, behind = _channels(layer, inputs), _channels(layer, outputs)
    return Terms(
        forward=max(1, read / made, kernels / behind),
        backward=max(1, made / read, kernels / before),
        weights=max(1, made / behind),
    )


def _size(x: Any, batch: int) -> int:
    return math.prod(batch if side is None else side for side in x.shape)


def _channels(layer: Any, tensors: Sequence[Any]) -> int:
    """The channels of the first one, which are its last axis, unless the layer says otherwise."""
    shape = tensors[0].shape if tensors else ()
    if len(shape) < 2:
        return 1
    first = getattr(layer, "data_format", None) == "channels_first" and len(shape) > 2
    return int(shape[1 if first else -1] or 1)


class Noisy:
    """A model with factors at each tensor and gradient.

    Args:
        model: A functional model.
        batch: Images in a batch.

    Attributes:
        model: With factors.
        terms: Of the variables that hold factors, by name.
        layers: What there is to say of each call, for JSON.
        weight_terms: Of the gradients of weights, and of statistics, by name.
    """

    def __init__(self, model: Model, batch: int) -> None:
        self._batch = batch
        self._names: dict[int, str] = {}
        self._variables = variables.by_layer(model)
        self._trained = set(variables.names(model, model.trainable_variables))
        self.terms: dict[str, float] = {}
        self.layers: list[dict[str, Any]] = []
        self.weight_terms: dict[str, float] = {}
        self.model = through(model, self._call)

    def _call(self, name: str, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = [x for x in keras.tree.flatten((args, kwargs)) if _is_tensor(x)]
        shaken: list[str] = []

        def shake(x: Any) -> Any:
            if not (_is_tensor(x) and is_float(x)):
                return x
            shaken.append(f"gradient/{name}/{len(shaken)}")
            return probe.Factors(shaken[-1], self._batch, gradient=True)(x)

        args, kwargs = keras.tree.map_structure(shake, (args, kwargs))
        made = layer(*args, **kwargs)
        found = keras.tree.flatten(made)
        names = blob_names(name, len(found))
        count = terms(layer, given, found, self._batch)
        moved = [self._moved(each, x, count) for each, x in zip(names, found, strict=True)]
        self.terms |= {
            f"{probe.layer_name(each)}/{probe.FACTORS}": count.backward for each in shaken
        }
        own = self._variables.get(layer.name, [])
        self.weight_terms |= dict.fromkeys(own, count.weights)
        self.layers.append(
            {
                "name": name,
                "layer": layer.name,
                "type": type(layer).__name__,
                "attributes": _attributes(layer),
                "inputs": [self._names.get(id(x), x.name) for x in given],
                "outputs": names,
                "weights": [each for each in own if each in self._trained],
                "statistics": [each for each in own if each not in self._trained],
            }
        )
        self._names |= {id(x): each for each, x in zip(names, moved, strict=True)}
        return keras.tree.pack_sequence_as(made, moved)

    def _moved(self, name: str, x: Any, count: Terms) -> Any:
        if not is_float(x):
            return x
        layer = probe.Factors(f"value/{name}", self._batch, gradient=False)
        layer.caffe_name = name
        self.terms[f"{name}/{probe.FACTORS}"] = count.forward
        return layer(x)


def _is_tensor(x: Any) -> bool:
    return isinstance(x, keras.KerasTensor)


def _attributes(layer: Any) -> dict[str, Any]:
    """What a layer says of itself that fits on a line."""
    try:
        config = layer.get_config()
    except Exception:  # of any kind: it is said for the reader alone
        return {}
    passed = {"name", "trainable", "dtype"}
    return {
        key: value
        for key, value in config.items()
        if key not in passed
        and (
            isinstance(value, SIMPLE)
            or (isinstance(value, list | tuple) and all(isinstance(x, SIMPLE) for x in value))
        )
    }


class Executed:
    """The net of a case, built and compiled once for all moments.

    Args:
        case: Which.
        backend: This process's.
    """

    def __init__(self, case: Case, backend: Backend) -> None:
        self._case, self._backend = case, backend
        self._subject = Imported(case)
        stage = self._subject.stage
        self._rule = Update(stage.update, stage.momentum, stage.weight_decay)
        self.net = Noisy(self._subject.trained(), case.batch_size)

    @cached_property
    def _training(self) -> tuple[Trainer, Model]:
        model = probe.tapped(self.net.model, self._case.batch_size)
        return self._backend.trainer(model, probe.recording(self._rule)), model

    @cached_property
    def _inferring(self) -> tuple[Trainer, probe.Blobs]:
        row, blobs = probe.flat(self.net.model)
        return self._backend.trainer(row, IDLE), blobs

    def inference(self, moment: Moment, noise: Noise | None) -> Iterator[tuple[str, Array]]:
        """Give all blobs of a moment by KIND/NAME."""
        trainer, blobs = self._inferring
        trainer.restore(dict(moment.weights) | self._factors(noise), trainer.slots())
        row = trainer.logits(self._subject.arranged(moment.images))
        for name, blob in probe.parted(row, blobs, self._case.batch_size):
            yield f"blob/{name}", blob

    def step(self, moment: Moment, noise: Noise | None) -> Iterator[tuple[str, Array]]:
        """Give all that a step makes of a moment by KIND/NAME.

        The update is computed here, in NumPy's float64, from the step's gradients.
        """
        trainer, model = self._training
        empty = variables.zeros(model)
        slots = {name: moment.slots.get(name, x) for name, x in trainer.slots().items()}
        trainer.restore(empty | dict(moment.weights) | self._factors(noise), slots)
        scalars = self._rule.scalars(moment.step, moment.rate)
        loss = trainer.step(self._subject.arranged(moment.images), moment.targets, scalars)
        after, kept = trainer.weights(), trainer.slots()
        for name, value in after.items():
            if blob := probe.kept(name):
                yield f"blob/{blob}", value
        yield "loss", np.asarray(loss)
        slopes = {
            name.rpartition("/")[0]: x for name, x in kept.items() if name.endswith(GRADIENT_SLOT)
        }
        sizes = self._sizes(slopes)
        for name, start in moment.weights.items():
            count = self.net.weight_terms.get(name, 1)
            if name not in slopes:
                yield f"statistic/{name}", _noisy(after[name], f"statistic/{name}", count, noise)
                continue
            key = f"{evidence.GRADIENT}/{name}"
            slope = _noisy(slopes[name], key, count, noise)
            if noise:
                slope = slope + sizes[name] * (noise.drawn(slope.shape, f"within/{key}", count) - 1)
            yield key, slope
            before = tuple(
                np.asarray(moment.slots[f"{name}/{slot}"], np.float64) for slot in self._rule.slots
            )
            moved, slots_after = self._rule(
                np.asarray(start, np.float64), slope, before, scalars, Arithmetic(np.sqrt)
            )
            yield f"weight/{name}", _noisy(moved, f"weight/{name}", 1, noise)
            for slot, value in zip(self._rule.slots, slots_after, strict=True):
                yield f"kept/{name}/{slot}", _noisy(value, f"kept/{name}/{slot}", 1, noise)

    def _sizes(self, slopes: Mapping[str, Array]) -> dict[str, float]:
        """Root mean squares of the gradients of each layer's weights together, by weight.

        Roundings within a layer reach all of its weights: that of an attention's key bias is 0, a
        difference of terms as large as the others'.
        """
        found: dict[str, float] = {}
        for layer in self.net.layers:
            known = [slopes[name].ravel() for name in layer["weights"]]
            if known:
                size = float(np.sqrt(np.mean(np.concatenate(known) ** 2)))
                found |= dict.fromkeys(layer["weights"], size)
        return found

    def _factors(self, noise: Noise | None) -> dict[str, Array]:
        known, terms = variables.zeros(self.net.model), self.net.terms
        return {
            name: noise.drawn(x.shape, name, terms[name]) if noise else np.ones(x.shape)
            for name, x in known.items()
            if name in terms
        }


def _noisy(x: Array, name: str, count: float, noise: Noise | None) -> Array:
    return x * noise.drawn(x.shape, name, count) if noise else x


Give = Callable[[Moment, Noise | None], Iterator[tuple[str, Array]]]


def write(give: Give, moment: Moment, folder: Path, layers: Sequence[Mapping[str, Any]]) -> None:
    """Write references for a moment.

    Args:
        give: Gives its tensors, exact or noisy.
        moment: Which.
        folder: Where they go.
        layers: What there is to say of the net's calls.
    """
    unit = UNIT_ROUNDOFF[MEASURED]
    exact = dict(give(moment, None))
    out = Writer(folder)
    out.add_all("value", exact)
    out.add_all("squares", _squares(give, moment, exact, unit, RUNS))
    out.close(layers=list(layers))


def write_undecided(give: Give, moment: Moment, folder: Path, values: Store) -> None:
    """Write how far roundings move tensors, and the decisions that they turn.

    Args:
        give: As `write` takes it.
        moment: Which.
        folder: Where the squares go.
        values: What `write` has written.
    """
    out = Writer(folder)
    unit = UNDECIDED * UNIT_ROUNDOFF[MEASURED]
    out.add_all("squares", _squares(give, moment, values.under("value"), unit, UNDECIDED_RUNS))
    out.close()


def _squares(
    give: Give, moment: Moment, exact: Mapping[str, Array], unit: float, runs: int
) -> dict[str, Array]:
    """The mean over noisy runs of the squared L2 distance from the exact one, by name."""
    squares = dict.fromkeys(exact, 0.0)
    for run in range(runs):
        for name, x in give(moment, Noise(unit, SEED, run)):
            squares[name] += float(np.sum((x - np.asarray(exact[name], np.float64)) ** 2)) / runs
    return {name: np.asarray(value) for name, value in squares.items()}


def main(arguments: Sequence[str]) -> None:
    """Execute the moments of a job."""
    from ranparity.training import backends

    (path,) = arguments
    (content,) = json.loads(Path(path).read_text(encoding="utf-8"))
    job = Job(**content)
    case = cases.from_json(job.case)
    chosen, _ = backends.choose(None, os.environ)
    backend, _ = backends.start(chosen, "float64")
    net, common, out = Executed(case, backend), Store(Path(job.common)), Path(job.folder)
    start = Moment.read(common, "start")
    if 1 in case.levels:
        write(net.inference, start, folder_of(out, "start", training=False), net.net.layers)
    prefixes = ["start"] if {2, 3} & set(case.levels) else []
    prefixes += [f"4@{step}/start" for step in case.snapshots if 4 in case.levels]
    for prefix in prefixes:
        folder, moment = folder_of(out, prefix, training=True), Moment.read(common, prefix)
        write(net.step, moment, folder, net.net.layers)
        free = folder_of(out, prefix, training=True, free=True)
        write_undecided(net.step, moment, free, Store(folder))
    whole = keras.backend.result_type("float64", "float32") == "float64"
    print(json.dumps({"whole": whole, "peak_memory": memory.peak()}))


if __name__ == "__main__":
    from ranparity.workers import serve

    serve(main)
