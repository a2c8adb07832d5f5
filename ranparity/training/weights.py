"""Weights in files: found, read layer by layer, and named as the tape names them.

Keras's `*.weights.h5` has a group for each layer, which says the layer's name (for Keras, so with
`-` for Caffe's `/`), and in it the layer's variables by number, in the layer's own order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.data import digest
from ranparity.errors import InputError
from ranparity.training import directory, variables
from ranparity.training.variables import Model, State

Layers = Mapping[str, list[NDArray[Any]]]


@dataclass(frozen=True)
class Source:
    """A file of weights.

    Attributes:
        path: Where this machine has it.
        name: What the record calls it.
        digest: Of the weights, where a run's record says it.
    """

    path: Path
    name: str
    digest: str | None = None


def find(path: Path, where: str = "--weights") -> Source:
    """Give the weights of a file, or the final ones of a run.

    Args:
        path: A `*.weights.h5` file or a run directory.
        where: What the messages of errors begin with.

    Raises:
        InputError: It is neither, or a run that has not ended well.
    """
    if path.is_dir():
        run = directory.read_run(path)
        file = path / directory.WEIGHTS
        if not file.is_file():
            raise InputError(
                f"{where} {path}: expected {directory.WEIGHTS}, which a run has at its end; this "
                f"one is {run.get('status')}"
            )
        return Source(
            file, f"{path.resolve().name}/{directory.WEIGHTS}", run.get("final_weights_digest")
        )
    if not path.is_file() or not path.name.endswith(directory.SUFFIX):
        reason = "this is another file" if path.is_file() else "there is none"
        raise InputError(
            f"{where} {path}: expected a *{directory.SUFFIX} file or a run directory, and {reason}"
        )
    return Source(path, path.name)


def read(source: Source) -> Layers:
    """Read a file's variables, in their order, by the Keras name of their layer.

    Raises:
        InputError: It is damaged, or not in Keras's format.
    """
    import h5py

    found: dict[str, list[NDArray[Any]]] = {}

    def take(_: str, group: Any) -> None:
        if isinstance(group, h5py.Group) and "name" in group.attrs and len(group):
            arrays = [np.asarray(group[str(place)]) for place in range(len(group))]
            found[str(group.attrs["name"])] = arrays

    try:
        with h5py.File(source.path, "r") as file:
            file.visititems(take)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:  # whatever is damaged
        reason = error.args[0] if error.args else type(error).__name__
        raise InputError(f"{source.path}: cannot be read as weights: {reason}") from None
    if not found:
        raise InputError(f"{source.path}: expected weights that Keras has saved, and it has none")
    return found


def named(source: Source, layers: Layers, models: Iterable[Model]) -> dict[str, NDArray[Any]]:
    """Give a file's variables by the tape's names.

    Args:
        source: The file, for errors.
        layers: What is in it.
        models: Networks that its layers may be of. One is only asked for (and so may be built only
            then) where those before it lack a layer.

    Raises:
        InputError: A layer is of none of them, or has other variables or shapes.
    """
    left = dict(layers)
    found: dict[str, NDArray[Any]] = {}
    for model in models:
        shapes = {name: tuple(each.shape) for name, each in variables.named(model).items()}
        for layer, names in variables.by_layer(model).items():
            if layer in left:
                expected = {name: shapes[name] for name in names}
                found.update(_checked(source, expected, left.pop(layer)))
        if not left:
            break
    if left:
        raise InputError(
            f"{source.path}: expected layers of the network that is trained, which has none "
            f"called {next(iter(left))}"
        )
    _check_digest(source, found)
    return found


def _checked(
    source: Source, expected: dict[str, tuple[int, ...]], arrays: list[NDArray[Any]]
) -> State:
    """Give a layer's variables by name, once they are seen to be as many and of these shapes."""
    layer = next(iter(expected)).rpartition("/")[0]
    if len(expected) != len(arrays):
        raise InputError(
            f"{source.path}, layer {layer}: expected {len(expected)} variables. "
            f"Received: {len(arrays)}"
        )
    for (name, shape), array in zip(expected.items(), arrays, strict=True):
        if array.shape != shape:
            raise InputError(
                f"{source.path}, layer {layer}: expected {name.rpartition('/')[2]} of shape "
                f"{shape}. Received: {array.shape}"
            )
    return dict(zip(expected, arrays, strict=True))


def _check_digest(source: Source, found: State) -> None:
    """Raise unless the weights are those that the record of their run says."""
    if source.digest is None:
        return
    received = digest.of_named_arrays(found)
    if received != source.digest:
        raise InputError(
            f"{source.path}: expected weights of digest {source.digest}, as {directory.RUN} has "
            f"it. Received: {received}"
        )
