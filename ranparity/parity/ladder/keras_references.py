"""What a backend's float64 gives of an imported model, as `keras_arbiter` has written it down."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ranparity.caffe.arbiter.run import Step
from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import LayerParameter
from ranparity.caffe.shapes import Facts
from ranparity.parity.ladder.references import References
from ranparity.parity.ladder.store import Store


@dataclasses.dataclass(frozen=True)
class KerasNet:
    """The layers of a Keras model in the order in which they are called.

    Attributes:
        steps: One for each call.
        decides: None: nobody knows which layers decide, and on what.
        logits: None: it has no Softmax that training ends before.
    """

    steps: Sequence[Step]
    decides: Sequence[Step] = ()
    logits: str = ""

    def decisions(self, blobs: Mapping[str, Any]) -> dict[str, Any]:
        """Give nothing."""
        del blobs
        return {}


def folder_of(cache: Path, prefix: str, *, training: bool, free: bool = False) -> Path:
    """Where the references for a moment are.

    Args:
        cache: The folder of all.
        prefix: What the moment's tensors' names begin with.
        training: Whether they are of a step, or of inference.
        free: Whether they are of the noisy runs that decide for themselves.
    """
    kind = "training" if training else "inference"
    return cache / f"{prefix.replace('/', '-')}-{kind}{'-undecided' if free else ''}"


def read(cache: Path, prefix: str, precision: str, *, training: bool) -> References:
    """Give the references for a moment.

    Raises:
        InputError: There are none.
    """
    tensors = Store(folder_of(cache, prefix, training=training))
    return References(
        tensors,
        KerasNet(tuple(_step(layer) for layer in tensors.about["layers"])),
        training,
        lambda: Store(folder_of(cache, prefix, training=training, free=True)),
        precision,
    )


def _step(layer: Mapping[str, Any]) -> Step:
    name = layer["name"]
    node = Node(
        name, layer["type"], tuple(layer["inputs"]), tuple(layer["outputs"]), LayerParameter()
    )
    of_layer = f"{layer['layer']}/"
    facts = Facts(
        (),
        statistics={each.removeprefix(of_layer): () for each in layer["statistics"]},
        attributes=layer["attributes"],
    )
    return Step(node, facts, (), {each.removeprefix(of_layer): each for each in layer["weights"]})
