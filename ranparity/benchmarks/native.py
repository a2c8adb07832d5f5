"""The net in PyTorch alone, as who knows PyTorch would write it: what all else is measured against.

Its modules are made from the prototxt, layer by layer, and called in its order: maps in the layout
that is asked for, ReLU in place where nothing else reads its bottom, the fused optimizer. Nothing
of it is used by anything but the benchmark.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from ranparity.benchmarks.case import DECAY, LAYOUTS, MOMENTUM, RATE, Case, unknown
from ranparity.caffe.graph import Node
from ranparity.caffe.rules.base import sides
from ranparity.caffe.shapes import Facts
from ranparity.training.backends import CPU, GPU

Modules = dict[str, Callable[[Node, Facts, Sequence[tuple[int, ...]]], nn.Module]]


def _pair(facts: Facts, name: str) -> tuple[int, int]:
    height, width = sides(facts.attributes[name])
    return height, width


def _convolution(node: Node, facts: Facts, bottoms: Sequence[tuple[int, ...]]) -> nn.Module:
    del node
    return nn.Conv2d(
        bottoms[0][1],
        int(facts.attributes["num_output"]),
        _pair(facts, "kernel"),
        _pair(facts, "stride"),
        _pair(facts, "pad"),
        _pair(facts, "dilation"),
        int(facts.attributes["group"]),
        bias="bias" in facts.parameters,
    )


def _bn(node: Node, facts: Facts, bottoms: Sequence[tuple[int, ...]]) -> nn.Module:
    del node
    momentum = 1 - float(facts.attributes["momentum"])
    return nn.BatchNorm2d(bottoms[0][1], float(facts.attributes["eps"]), momentum)


def _pooling(node: Node, facts: Facts, bottoms: Sequence[tuple[int, ...]]) -> nn.Module:
    del node, bottoms
    kernel, stride, pad = (_pair(facts, name) for name in ("kernel", "stride", "pad"))
    ceil = facts.attributes["round_mode"] == "CEIL"
    if facts.attributes["pool"] == "MAX":
        return nn.MaxPool2d(kernel, stride, pad, ceil_mode=ceil)
    return nn.AvgPool2d(kernel, stride, pad, ceil_mode=ceil)


class _Eltwise(nn.Module):
    def __init__(self, node: Node, facts: Facts, bottoms: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        plain = set(str(facts.attributes.get("coeff", "1")).split()) == {"1"}
        if facts.attributes["operation"] not in ("SUM", "PROD") or not plain:
            raise unknown(node, "native PyTorch")
        self.sums = facts.attributes["operation"] == "SUM"
        del bottoms

    def forward(self, *bottoms: torch.Tensor) -> torch.Tensor:
        first, *others = bottoms
        for other in others:
            first = first + other if self.sums else first * other
        return first


class _Interp(nn.Module):
    def __init__(self, node: Node, facts: Facts, bottoms: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        del node, bottoms
        self.size = list(facts.tops[0][2:])

    def forward(self, x: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(x, self.size, mode="bilinear", align_corners=True)


def _inner_product(node: Node, facts: Facts, bottoms: Sequence[tuple[int, ...]]) -> nn.Module:
    del node
    outputs = int(facts.attributes["num_output"])
    linear = nn.Linear(math.prod(bottoms[0][1:]), outputs, bias="bias" in facts.parameters)
    return nn.Sequential(nn.Flatten(), linear)


MODULES: Modules = {
    "BN": _bn,
    "Convolution": _convolution,
    "Eltwise": _Eltwise,
    "Flatten": lambda *_: nn.Flatten(),
    "InnerProduct": _inner_product,
    "Interp": _Interp,
    "Pooling": _pooling,
    "ReLU": lambda *_: nn.ReLU(),
    "Sigmoid": lambda *_: nn.Sigmoid(),
    "Softmax": lambda *_: nn.Identity(),  # the loss has it: what comes out is logits
}


class Net(nn.Module):
    """The modules in the net's order, and what each reads and makes.

    Raises:
        InputError: A layer that there is no module for.
    """

    def __init__(self, case: Case) -> None:
        super().__init__()
        layers, given = case.layers()
        reads = Counter(name for node, _ in layers for name in node.inputs)
        shapes = {given.name: given.shape}
        self._input = given.name
        self._plan: list[tuple[nn.Module, tuple[str, ...], str]] = []
        for place, (node, facts) in enumerate(layers):
            if node.type not in MODULES:
                raise unknown(node, "native PyTorch")
            module = MODULES[node.type](node, facts, [shapes[name] for name in node.inputs])
            if isinstance(module, nn.ReLU) and reads[node.inputs[0]] == 1 and place:
                module.inplace = True
            self.add_module(str(place), module)
            self._plan.append((module, node.inputs, node.outputs[0]))
            shapes[node.outputs[0]] = facts.tops[0]
        self._last = {name: place for place, (node, _) in enumerate(layers) for name in node.inputs}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Give the logits, (N, classes), of images (NCHW)."""
        blobs = {self._input: images}
        for place, (module, inputs, output) in enumerate(self._plan):
            blobs[output] = module(*(blobs[name] for name in inputs))
            for name in inputs:
                if self._last[name] == place:
                    blobs.pop(name, None)
        return blobs[output]


class Native:
    """The net in training; see `ranparity.benchmarks.worker.Subject`."""

    def __init__(self, case: Case, layout: str) -> None:
        torch.manual_seed(0)
        cuda = torch.cuda.is_available() and case.device != CPU
        self._device = torch.device("cuda" if cuda else "cpu")
        last = layout == LAYOUTS[0]
        self._format = torch.channels_last if last else torch.contiguous_format
        arranged: Any = {"device": self._device, "memory_format": self._format}
        self._net = Net(case).to(**arranged)
        self._optimizer = torch.optim.SGD(
            self._net.parameters(),
            RATE,
            MOMENTUM,
            weight_decay=DECAY,
            nesterov=True,
            fused=True,
        )

    @property
    def devices(self) -> tuple[str, ...]:
        """The kinds of devices that there are; the first is what computes."""
        return (GPU, CPU) if self._device.type == "cuda" else (CPU,)

    @property
    def device(self) -> str:
        """What computes."""
        return torch.cuda.get_device_name() if self._device.type == "cuda" else "cpu"

    @property
    def switches(self) -> dict[str, Any]:
        """What is set."""
        return {"threads": torch.get_num_threads(), "memory_format": str(self._format)}

    def training_step(self, images: NDArray[np.float32], targets: NDArray[np.float32]) -> None:
        """Forward, backward and update of images (NHWC); ends when the loss is a number."""
        self._net.train()
        self._optimizer.zero_grad(set_to_none=True)
        logits = self._net(self._taken(images))
        loss = functional.cross_entropy(logits, torch.from_numpy(targets).to(self._device))
        torch.autograd.backward(loss)
        self._optimizer.step()
        loss.item()

    def forward(self, images: NDArray[np.float32]) -> None:
        """Outputs of images (NHWC) in inference mode, as an array."""
        self._net.eval()
        with torch.inference_mode():
            self._net(self._taken(images)).cpu().numpy()

    def product(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> Callable[[], None]:
        """Give what multiplies two matrices, and waits for it."""
        left, right = (torch.from_numpy(each).to(self._device) for each in (one, other))
        return lambda: _wait(left @ right)

    def _taken(self, images: NDArray[np.float32]) -> torch.Tensor:
        tensor = torch.from_numpy(images).to(self._device).permute(0, 3, 1, 2)
        return tensor.contiguous(memory_format=self._format)


def _wait(product: torch.Tensor) -> None:
    product[0, 0].item()
