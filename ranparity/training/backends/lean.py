"""A functional model on PyTorch, whose tensors go, or are written over, after their last readers.

Keras 3.15 keeps every layer's output until the model's end (keras/src/ops/function.py,
`_run_through_graph`). Where nothing is compiled that is memory for all of them, of which
a training needs two thirds for its gradients. And as in Caffe's files a ReLU then writes over what
it reads, where that is a convolution's or a normalisation's, whose gradients do not read it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from operator import is_ as is_same
from typing import Any

from ranparity.training.variables import Model

RUN = "_run_through_graph"  # Keras's name for what is replaced


@dataclasses.dataclass(frozen=True)
class Step:
    """A node of a model's graph.

    Attributes:
        node: Keras's.
        going: The tensors that it is the last to read, by their `id` in the graph.
        overwrites: Whether it writes over the one that it reads.
        plain: Whether its layer does nothing around its `call`: no conversion, no mask, no loss of
            its activity.
    """

    node: Any
    going: tuple[int, ...]
    overwrites: bool
    plain: bool


class Lean:
    """Runs a model's graph in Keras's order, and lets each tensor go after its last reader.

    Args:
        model: A functional model; any other is run as it is.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._plan = list(_plan(model)) if hasattr(model, RUN) else []
        self._training = False

    def __call__(self, images: Any, *, training: bool) -> Any:
        """Give what the model makes of images."""
        if not self._plan:
            return self._model(images, training=training)
        self._training = training
        object.__setattr__(self._model, RUN, self._run)
        try:
            return self._model(images, training=training)
        finally:
            object.__delattr__(self._model, RUN)

    def _run(self, inputs: Any, operation_fn: Callable[[Any], Callable[..., Any]]) -> Any:
        from keras import tree

        from ranparity.kernels.torch import spare

        tensors = dict(zip(map(id, self._model.inputs), tree.flatten(inputs), strict=True))
        for step in self._plan:
            node = step.node
            if step.plain:
                call, kwargs = node.operation.call, self._arguments(node.operation)
                read = [tensors[id(x)] for x in node.input_tensors]
                args: tuple[Any, ...] = (
                    read if isinstance(node.arguments.args[0], list) else read[0],
                )
                del read
            else:
                call = operation_fn(node.operation)
                args, kwargs = node.arguments.fill_in(tensors)
            with spare(args[0]) if step.overwrites else contextlib.nullcontext():
                made = call(*args, **kwargs)
            del args, kwargs
            tensors |= zip(map(id, node.outputs), tree.flatten(made), strict=True)
            del made
            for tensor in step.going:
                del tensors[tensor]
        return tree.map_structure(lambda x: tensors[id(x)], self._model._outputs_struct)

    def _arguments(self, layer: Any) -> dict[str, bool]:
        return {"training": self._training} if layer._call_has_training_arg else {}


def _plan(model: Model) -> Iterator[Step]:
    """Each node in order."""
    depths = sorted(model._nodes_by_depth, reverse=True)
    nodes = [node for depth in depths for node in model._nodes_by_depth[depth] if not node.is_input]
    kept = {id(x) for x in model.outputs}
    last = {id(x): place for place, node in enumerate(nodes) for x in node.input_tensors}
    readers = Counter(id(x) for node in nodes for x in node.input_tensors)
    for place, node in enumerate(nodes):
        read = {id(x) for x in node.input_tensors}
        going = tuple(tensor for tensor in read - kept if last[tensor] == place)
        overwrites = [readers[x] for x in going] == [1] and _may_overwrite(node)
        yield Step(node, going, overwrites, _is_plain(node))


def _may_overwrite(node: Any) -> bool:
    """Whether a node is a ReLU, and what it reads has memory of its own that no gradient reads."""
    from ranparity.models.layers.maps import BN, Convolution, ReLU

    made_by = [x._keras_history.operation for x in node.input_tensors]
    return isinstance(node.operation, ReLU) and isinstance(made_by[0], BN | Convolution)


def _is_plain(node: Any) -> bool:
    """Whether calling a node's layer comes to no more than its `call`."""
    layer, given = node.operation, node.arguments
    given_more = any(value is not None for value in given.kwargs.values())
    if not hasattr(layer, "caffe_name") or len(given.args) != 1 or given_more:
        return False
    (first,) = given.args
    read = first if isinstance(first, list) else [first]
    alone = len(read) == len(node.input_tensors) and all(map(is_same, read, node.input_tensors))
    alike = {str(x.dtype) for x in read} == {layer.compute_dtype} == {layer.variable_dtype}
    own = {"call", "__call__"} & set(vars(layer))
    return alone and alike and not own and layer.activity_regularizer is None
