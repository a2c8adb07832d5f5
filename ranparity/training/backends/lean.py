"""A functional model run so that a tensor goes when nothing reads it any more.

Keras 3.15 keeps every layer's output until the model's end (keras/src/ops/function.py,
`_run_through_graph`). Where nothing is compiled that is memory for all of them, of which
a training needs two thirds for its gradients.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ranparity.training.variables import Model

RUN = "_run_through_graph"  # Keras's name for what is replaced


class Lean:
    """Runs a model's graph in Keras's order, and lets each tensor go after its last reader.

    Args:
        model: A functional model; any other is run as it is.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._plan = list(_plan(model)) if hasattr(model, RUN) else []

    @contextlib.contextmanager
    def running(self) -> Iterator[Model]:
        """Have calls of the model run so."""
        if not self._plan:
            yield self._model
            return
        object.__setattr__(self._model, RUN, self._run)
        try:
            yield self._model
        finally:
            object.__delattr__(self._model, RUN)

    def _run(self, inputs: Any, operation_fn: Callable[[Any], Callable[..., Any]]) -> Any:
        from keras import tree

        tensors = dict(zip(map(id, self._model.inputs), tree.flatten(inputs), strict=True))
        for node, last in self._plan:
            args, kwargs = node.arguments.fill_in(tensors)
            made = operation_fn(node.operation)(*args, **kwargs)
            del args, kwargs
            tensors |= zip(map(id, node.outputs), tree.flatten(made), strict=True)
            del made
            for tensor in last:
                del tensors[tensor]
        return tree.map_structure(lambda x: tensors[id(x)], self._model._outputs_struct)


def _plan(model: Model) -> Iterator[tuple[Any, tuple[int, ...]]]:
    """Each node in order, and the tensors that it is the last to read."""
    depths = sorted(model._nodes_by_depth, reverse=True)
    nodes = [node for depth in depths for node in model._nodes_by_depth[depth] if not node.is_input]
    kept = {id(x) for x in model.outputs}
    last = {id(x): place for place, node in enumerate(nodes) for x in node.input_tensors}
    for place, node in enumerate(nodes):
        read = {id(x) for x in node.input_tensors}
        yield node, tuple(tensor for tensor in read - kept if last[tensor] == place)
