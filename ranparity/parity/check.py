"""`ranparity check`: level 0 for nets of the zoo, judged outside the Keras process."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from tqdm import tqdm

from ranparity import schema
from ranparity.caffe import graph as graphs
from ranparity.caffe import prototxt
from ranparity.caffe.description import Description, describe
from ranparity.caffe.prototxt import LayerParameter, Net
from ranparity.caffe.shapes import by, window
from ranparity.models import zoo
from ranparity.parity.structure import WHOLE_NET, Comparison, compare
from ranparity.workers import WorkerError, ahead, stream

HEADS = ("ave_pool", "pool5")  # the average pools before a classifier
PROCESSES = 2  # building and tracing keeps one core busy, and takes under 2 GB
Size = tuple[int, int]
T = TypeVar("T")


@dataclasses.dataclass
class Result:
    """What a check found for one net.

    Attributes:
        model: The net's name in the zoo.
        title: Its name in tables.
        prototxt: The file that it was held against.
        prototxt_digest: SHA-256 of that file.
        origin: `original` or `derived`.
        errata: Repairs of the published file that the prototxt includes.
        sizes: Input sizes that were compared, as text.
        layers: Count at the net's own size, as are the next four.
        blobs: Tensors of the single-assignment graph, the input included.
        trainable_parameters: Elements.
        parameters_with_statistics: Elements, with BN's mean and variance.
        macs: Of convolutions and the classifier, for one image.
        paper: The paper's figures beside ours.
        compared: Number of facts compared, all sizes together.
        adaptations: Named changes to the file that another input size asks for.
        differences: What differs, each with its size, in graph order.
    """

    model: str
    title: str
    prototxt: str
    prototxt_digest: str
    origin: str
    errata: tuple[str, ...]
    sizes: list[str] = dataclasses.field(default_factory=list)
    layers: int = 0
    blobs: int = 0
    trainable_parameters: int = 0
    parameters_with_statistics: int = 0
    macs: int = 0
    paper: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    compared: int = 0
    adaptations: list[str] = dataclasses.field(default_factory=list)
    differences: list[dict[str, str]] = dataclasses.field(default_factory=list)

    @property
    def verdict(self) -> str:
        """`pass` where nothing differs."""
        return "fail" if self.differences else "pass"

    def to_json(self) -> dict[str, Any]:
        """The result as data that JSON can hold."""
        return dataclasses.asdict(self) | {"verdict": self.verdict}


def check(
    entries: Sequence[zoo.Entry], backend: str, sizes: Sequence[Size] = ()
) -> Iterator[Result]:
    """Checks nets one after the other, yielding each when it is done.

    Args:
        entries: The nets.
        backend: The Keras backend that builds and traces the models, in processes of its own.
        sizes: Heights and widths, in pixels; by default each net's own and its odd one.

    Raises:
        WorkerError: The backend's process died.
        InputError: A prototxt cannot be read.
    """
    # Digests before contents: a file that changes in between is another one than was recorded.
    results = [empty(entry) for entry in entries]
    nets = {entry.name: prototxt.read(entry.prototxt) for entry in entries}
    described = [
        ahead(stream(backend, "ranparity.parity.evidence", arguments))
        for arguments in _shares(entries, sizes)
    ]
    for number, (entry, result) in enumerate(zip(entries, results, strict=True)):
        for size in sizes or entry.sizes:
            data = next(described[number % PROCESSES], None)
            if data is None:
                raise WorkerError(f"ended without describing {entry.name} at {by(size)}")
            judge(result, entry, Description.from_json(data), nets[entry.name], size)
        yield result
    for rest in described:  # a process may still end badly after its last line
        list(rest)


def _shares(entries: Sequence[zoo.Entry], sizes: Sequence[Size]) -> list[list[str]]:
    """What each process describes: every other net, at all sizes."""
    return [
        [f"{entry.name}:{by(size)}" for entry in share for size in sizes or entry.sizes]
        for share in (entries[start::PROCESSES] for start in range(PROCESSES))
        if share
    ]


def evidence(
    entries: Sequence[zoo.Entry], backend: str, sizes: Sequence[Size] = ()
) -> dict[str, Any]:
    """Checks nets with a progress bar; returns what `ranparity check --json` prints.

    Raises:
        WorkerError: The backend's process died.
        InputError: A prototxt cannot be read.
    """
    start = time.perf_counter()
    results = with_progress(check(entries, backend, sizes), len(entries))
    found = [result.to_json() for result in results]
    return schema.versioned(
        {
            "backend": backend,
            "seconds": round(time.perf_counter() - start, 1),
            "results": found,
        }
    )


def with_progress(nets: Iterator[T], total: int) -> Iterator[T]:
    """Passes on what comes of each net, with a progress bar on stderr where that is a terminal."""
    return iter(tqdm(nets, total=total, unit="net", disable=not sys.stderr.isatty()))


def judge(result: Result, entry: zoo.Entry, keras: Description, net: Net, size: Size) -> None:
    """Adds to a result what one size of a net shows."""
    own = size == entry.input_shape[:2]
    net, adaptations = (net, []) if own else pool_whole_map(net.with_size(*size))
    comparison = compare(keras, graphs.build(net))
    result.sizes.append(by(size))
    result.adaptations.extend(adaptations)
    if own:
        for name, value in dataclasses.asdict(keras.totals).items():
            setattr(result, name, value)
        _against_source(comparison, entry, keras)
        result.paper = [_beside(figure, keras) for figure in entry.figures]
    result.compared += comparison.compared
    result.differences.extend(
        {"size": by(size)} | dataclasses.asdict(row) for row in comparison.differences
    )


def pool_whole_map(net: Net) -> tuple[Net, list[str]]:
    """Lets the head's average pool cover its whole map, as the Keras models' does.

    Returns:
        The net, and a line that names the change, if one was needed.
    """
    graph = graphs.build(net)
    places = [place for place, node in enumerate(graph.nodes) if node.name in HEADS]
    if not places:
        return net, []
    head = graph.nodes[places[0]]
    before = describe(dataclasses.replace(graph, nodes=graph.nodes[: places[0]]))
    height, width = before.shapes[head.inputs[0]][2:]
    kernel = window(head.message.pooling_param, "kernel_size", None, 1)
    if kernel == (height, width):
        return net, []
    layers = tuple(_pooling_all(layer, height, width) for layer in net.layers)
    line = (
        f"{head.name}: kernel {height}x{width} at input {by(net.inputs[0].shape[2:])}, where the "
        f"file has {by(kernel)}: the head pools the whole map"
    )
    return net.replace(layers=layers), [line]


def _pooling_all(layer: LayerParameter, height: int, width: int) -> LayerParameter:
    """The head with another window; any other layer as it is."""
    if layer.name not in HEADS:
        return layer
    copy = LayerParameter()
    copy.CopyFrom(layer)
    copy.pooling_param.ClearField("kernel_size")
    copy.pooling_param.kernel_h, copy.pooling_param.kernel_w = height, width
    return copy


def empty(entry: zoo.Entry) -> Result:
    """Gives the result of a net of which nothing has been compared yet.

    Raises:
        InputError: It has no prototxt.
    """
    return Result(
        entry.name,
        entry.title,
        f"prototxt/{entry.prototxt.name}",
        entry.prototxt_digest,
        entry.origin,
        entry.release.errata,
    )


def _against_source(comparison: Comparison, entry: zoo.Entry, keras: Description) -> None:
    """Compares the live model's counts with the integers that the source gives."""
    types = [layer.type for layer in keras.layers]
    found = dataclasses.asdict(keras.totals) | {
        "convolutions": types.count("Convolution"),
        "bn": types.count("BN"),
    }
    counts = dataclasses.asdict(entry.integers) if entry.integers else {}
    for name, value in counts.items():
        comparison.expect(WHOLE_NET, f"{name} (from the source)", found[name], value)


def _beside(figure: zoo.Figure, keras: Description) -> dict[str, Any]:
    """A figure of the paper, ours, and the difference in percent of the paper's."""
    ours = getattr(keras.totals, figure.what)
    return {
        "what": figure.what,
        "where": figure.where,
        "paper": figure.printed,
        "here": ours,
        "difference_percent": round(100 * (ours - figure.value) / figure.value, 2),
    }
