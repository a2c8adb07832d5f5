"""A functional model whose layers are called with no more around them than they need.

Keras 3.15 keeps every layer's output until the model's end (keras/src/ops/function.py,
`_run_through_graph`), and does the same around each call whatever the layer. Here tensors go after
their last readers: where nothing is compiled that is memory for all of them, of which a training
needs two thirds for its gradients. As in Caffe's files a ReLU may write over what it reads, where
that is a convolution's or a normalisation's, whose gradients do not read it. And what lies between
a few tensors may be computed a second time on the way back, in place of being kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import is_ as is_same
from typing import Any

from ranparity.training.backends.recomputing import parts
from ranparity.training.variables import Model

RUN = "_run_through_graph"  # Keras's name for what is replaced
Operation = Callable[[Any], Callable[..., Any]]
Flat = Callable[..., Sequence[Any]]  # of tensors, which gives tensors
Recompute = Callable[[Flat], Flat]
"""Makes of a function the same one, which keeps its arguments alone for the way back."""


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


@dataclasses.dataclass(frozen=True)
class Part:
    """Steps that follow one another.

    Attributes:
        steps: Them.
        reads: What they read from before them, by `id`.
        makes: What they make that is read after them.
        variables: Of their layers.
    """

    steps: tuple[Step, ...]
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    variables: tuple[Any, ...]


class Lean:
    """Runs a model's graph in Keras's order, and lets each tensor go after its last reader.

    Args:
        model: A functional model; any other is run as it is.
        overwrites: Whether ReLUs may write over what they read (PyTorch).
        recompute: Makes parts of the graph compute twice in place of keeping what they compute;
            None keeps it.
    """

    def __init__(
        self, model: Model, *, overwrites: bool = False, recompute: Recompute | None = None
    ) -> None:
        self._model = model
        self._plan = list(_plan(model, overwrites=overwrites)) if hasattr(model, RUN) else []
        self._recompute = recompute
        self._parts = list(_parts(self._plan, model)) if recompute else []
        self._training = False

    def __call__(self, images: Any, *, training: bool) -> Any:
        """Give what the model makes of images."""
        with self.running(training=training):
            return self._model(images, training=training)

    @contextlib.contextmanager
    def running(self, *, training: bool) -> Iterator[None]:
        """Have the model, when it is called, run its graph so."""
        if not self._plan:
            yield
            return
        self._training = training
        object.__setattr__(self._model, RUN, self._run)
        try:
            yield
        finally:
            object.__delattr__(self._model, RUN)

    def _run(self, inputs: Any, operation_fn: Operation) -> Any:
        from keras import tree

        tensors = dict(zip(map(id, self._model.inputs), tree.flatten(inputs), strict=True))
        if self._recompute and self._training:
            *twice, last = self._parts
            for part in twice:
                self._walk_twice(part, tensors, operation_fn)
            self._walk(last.steps, tensors, operation_fn)  # the way back begins with it
        else:
            self._walk(self._plan, tensors, operation_fn)
        return tree.map_structure(lambda x: tensors[id(x)], self._model._outputs_struct)

    def _walk(
        self, steps: Sequence[Step], tensors: dict[int, Any], operation_fn: Operation
    ) -> None:
        """Take steps; the tensors are those that are there before, and then those after."""
        from keras import tree

        for step in steps:
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
            with _spare(args[0]) if step.overwrites else contextlib.nullcontext():
                made = call(*args, **kwargs)
            del args, kwargs
            tensors |= zip(map(id, node.outputs), tree.flatten(made), strict=True)
            del made
            for tensor in step.going:
                del tensors[tensor]

    def _walk_twice(self, part: Part, tensors: dict[int, Any], operation_fn: Operation) -> None:
        """Take a part's steps so that they are taken again on the way back.

        What they leave behind besides tensors, statistics and losses, is taken out of the function,
        since it would be left behind twice, or from within a framework's trace.
        """
        from keras import StatelessScope, ops

        trained = [variable for variable in part.variables if variable.trainable]
        fixed = [(v, ops.convert_to_tensor(v)) for v in part.variables if not v.trainable]
        statistics: list[Any] = []  # that the part has changed, once it has run

        def function(*given: Any) -> tuple[Any, ...]:
            held, read = given[: len(trained)], given[len(trained) :]
            mapping = [*zip(trained, held, strict=True), *fixed]
            with StatelessScope(mapping, collect_losses=True) as scope:
                before = dict(scope.state_mapping)
                inner = dict(zip(part.reads, read, strict=True))
                self._walk(part.steps, inner, operation_fn)
            now = [(v, scope.get_current_value(v)) for v in part.variables]
            after = [(v, value) for v, value in now if value is not before[id(v)]]
            statistics[:] = [v for v, _ in after]
            made = (inner[tensor] for tensor in part.makes)
            return (*made, *(ops.stop_gradient(value) for _, value in after), *scope.losses)

        assert self._recompute  # noqa: S101  (without, there are no parts)
        values = [ops.convert_to_tensor(variable) for variable in trained]
        found = self._recompute(function)(*values, *(tensors[tensor] for tensor in part.reads))
        made, left = len(part.makes), len(part.makes) + len(statistics)
        for variable, value in zip(statistics, found[made:left], strict=True):
            variable.assign(value)
        for loss in found[left:]:
            self._model.add_loss(loss)
        tensors |= zip(part.makes, found[:made], strict=True)
        for step in part.steps:
            for tensor in step.going:
                tensors.pop(tensor, None)

    def _arguments(self, layer: Any) -> dict[str, bool]:
        return {"training": self._training} if layer._call_has_training_arg else {}


def _spare(tensor: Any) -> contextlib.AbstractContextManager[None]:
    from ranparity.kernels import torch

    return torch.spare(tensor)


def _plan(model: Model, *, overwrites: bool) -> Iterator[Step]:
    """Each node in order."""
    depths = sorted(model._nodes_by_depth, reverse=True)
    nodes = [node for depth in depths for node in model._nodes_by_depth[depth] if not node.is_input]
    kept = {id(x) for x in model.outputs}
    last = {id(x): place for place, node in enumerate(nodes) for x in node.input_tensors}
    readers = Counter(id(x) for node in nodes for x in node.input_tensors)
    for place, node in enumerate(nodes):
        read = {id(x) for x in node.input_tensors}
        going = tuple(tensor for tensor in read - kept if last[tensor] == place)
        alone = overwrites and [readers[x] for x in going] == [1]
        yield Step(node, going, alone and _may_overwrite(node), _is_plain(node))


def _parts(plan: Sequence[Step], model: Model) -> Iterator[Part]:
    """Divide a plan so that little memory is needed for what is kept and what is recomputed."""
    made = {id(x): place for place, step in enumerate(plan) for x in step.node.outputs}
    last = {id(x): place for place, step in enumerate(plan) for x in step.node.input_tensors}
    last |= {id(x): len(plan) for x in model.outputs}
    sizes = [sum(_size(x) for x in step.node.outputs) for step in plan]
    lives = [max(last.get(id(x), place) for x in s.node.outputs) for place, s in enumerate(plan)]
    begun = 0
    for end in parts(sizes, lives):
        steps = plan[begun:end]
        read = dict.fromkeys(id(x) for step in steps for x in step.node.input_tensors)
        before = tuple(tensor for tensor in read if made.get(tensor, -1) < begun)
        after = (tensor for tensor, place in made.items() if begun <= place < end)
        layers = dict.fromkeys(step.node.operation for step in steps)
        yield Part(
            tuple(_leaving(step, before) for step in steps),
            before,
            tuple(tensor for tensor in after if last.get(tensor, -1) >= end),
            tuple(v for layer in layers for v in getattr(layer, "variables", ())),
        )
        begun = end


def _leaving(step: Step, tensors: Sequence[int]) -> Step:
    """A step that does not write over tensors that are needed again."""
    read = {id(x) for x in step.node.input_tensors}
    return dataclasses.replace(step, overwrites=step.overwrites and not read & set(tensors))


def _size(x: Any) -> int:
    """Numbers of a tensor, for one image."""
    return math.prod(side or 1 for side in x.shape)


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
