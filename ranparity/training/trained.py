"""Trained weights, of a run or from a file alone: what they are of, and the network with them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ranparity.data import digest, normalisation
from ranparity.data.dataset import Dataset
from ranparity.data.normalisation import Normalisation
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.training import backends, directory, plan, recipe, starting
from ranparity.training.backends import Trainer
from ranparity.training.directory import SUFFIX
from ranparity.training.update import Update
from ranparity.training.variables import Model


@dataclass(frozen=True, eq=False)
class Trained:
    """Trained weights.

    Attributes:
        entry: The network.
        weights: The file.
        data: What `ranparity.data.load` takes.
        partial: As it takes it.
        normalise: Gives what images of the data are normalised by.
        precision: One of `backends.PRECISIONS`.
        part: Of the network, that the weights are of.
        classes: How many the network was trained for, if that is known.
        digest: Of the weights, if that is known.
    """

    entry: zoo.Entry
    weights: Path
    data: str
    partial: bool
    normalise: Callable[[Dataset], Normalisation]
    precision: str = "float32"
    part: str = "whole"
    classes: int | None = None
    digest: str | None = None


def of_run(
    folder: Path, data: str | None = None, *, partial: bool = False, stage: str | None = None
) -> Trained:
    """Give the final weights of a run, or those at the end of one of its stages.

    Args:
        folder: The run directory.
        data: Other data than the run's, if given.
        partial: Whether the data may have fewer or other images; as the run had it if not given.
        stage: The stage's name; the last one if not given.

    Raises:
        InputError: It is no run, or none that has ended well, or has no such stage.
    """
    run = directory.read_run(folder)
    try:
        facts, weights = _stage_of(folder, run, stage)
        return Trained(
            entry=zoo.entry(run["model"]),
            weights=weights,
            data=data or directory.read_place(folder).get("data") or run["data"]["source"],
            partial=partial or (not data and run["data"]["partial"]),
            normalise=lambda _: normalisation.load(folder / directory.NORMALISATION),
            precision=run["precision"],
            part=facts.get("part", "whole"),
            classes=run["data"]["classes"],
            digest=facts["final_weights_digest"],
        )
    except (KeyError, TypeError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise InputError(
            f"{folder / directory.RUN}: expected the record of a run: {what}"
        ) from None


def _stage_of(folder: Path, run: dict[str, Any], name: str | None) -> tuple[dict[str, Any], Path]:
    """Give what a record says of a stage, by default the last, and its file of weights.

    A record of a version that wrote down no stages has one, of the whole network.
    """
    stages = run.get("stages") or [{"name": None, **run}]
    chosen = [place for place, each in enumerate(stages) if name in (None, each["name"])]
    if not chosen:
        known = ", ".join(str(each["name"]) for each in stages)
        raise InputError(f"{folder}: expected one of its stages: {known}. Received: {name}")
    place = chosen[-1]
    last = place == len(stages) - 1
    path = folder / (directory.WEIGHTS if last else directory.weights_of(stages[place]["name"]))
    if not path.is_file():
        raise InputError(
            f"{folder}: expected {path.name}, which a run has at its end; this one is "
            f"{run.get('status')}: go on with it by ranparity run --resume"
        )
    return stages[place], path


def of_file(
    path: Path, model: str, data: str, *, partial: bool = False, trained_by: str | None = None
) -> Trained:
    """Give the weights of a file.

    Args:
        path: What is there is expected to be in Keras's format.
        model: A name of the zoo.
        data: What `ranparity.data.load` takes.
        partial: As it takes it.
        trained_by: The recipe whose normalisation is taken; if not given, the one that a run of
            the model on the data takes.

    Raises:
        InputError: It is no file of weights, or there is no such model or recipe.
    """
    if not path.is_file() or not path.name.endswith(SUFFIX):
        raise InputError(
            f"{path}: expected a run directory or a *{SUFFIX} file, and this is another file"
        )
    entry = zoo.entry(model)
    name = trained_by or recipe.default(model, data)[0]
    kind = plan.normalisation_of(recipe.named(name))
    return Trained(entry, path, data, partial, lambda found: normalisation.fit(kind, found))


def normalisation_for(trained: Trained, dataset: Dataset) -> Normalisation:
    """Give what the data's images are normalised by, once all three are seen to fit one another.

    Raises:
        InputError: They do not.
    """
    plan.check_fit(trained.entry, dataset)
    _check(dataset, "classes", trained.classes or dataset.classes, dataset.classes)
    found = trained.normalise(dataset)
    if (top := normalisation.top_of(found)) is not None:
        _check(dataset, "a largest pixel value", top, dataset.top)
    if found.mean.shape[:2] != (1, 1):
        _check(dataset, "images stored with (H, W, C)", found.mean.shape, dataset.test.shape)
    return found


def _check(dataset: Dataset, what: str, expected: Any, received: Any) -> None:
    if expected != received:
        raise InputError(
            f"--data {dataset.source}: expected {what} of {expected}, as the weights were trained "
            f"with. Received: {received}"
        )


def load(trained: Trained, classes: int, backend: str, device: str = backends.AUTO) -> Trainer:
    """Build the network on a backend, with its weights.

    Args:
        trained: Which.
        classes: How many.
        backend: On what.
        device: One of `backends.DEVICES`.

    Raises:
        InputError: The weights cannot be read, are of another network, or are not the run's.
    """
    module, _ = backends.start(backend, trained.precision, device=device)
    model = starting.network(trained.entry, trained.part, classes)
    _load(model, trained.weights, f"{trained.entry.name} with {classes} classes")
    trainer = module.trainer(model, Update("caffe-sgd", momentum=0.0, weight_decay=0.0))
    found = digest.of_named_arrays(trainer.weights())
    if found != (trained.digest or found):
        raise InputError(
            f"{trained.weights}: expected weights of digest {trained.digest}, as "
            f"{directory.RUN} has it. Received: {found}"
        )
    return trainer


def _load(model: Model, path: Path, what: str) -> None:
    """Load weights, all of them or none.

    Where a file lacks some, Keras may but warn, and those would be what they were before.
    """
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            model.load_weights(path)
        if told:
            raise ValueError(str(told[0].message))
    except (OSError, RuntimeError, KeyError) as error:  # of HDF5: damaged, or no such file at all
        reason = str(error.args[0] if isinstance(error, KeyError) else error)
        raise InputError(f"{path}: cannot be read: {reason}") from None
    except ValueError as error:  # of Keras, whose later lines list tensors
        reason = str(error).partition("\n")[0].rstrip(":")
        raise InputError(f"{path}: expected the weights of {what}. Keras says: {reason}") from None
