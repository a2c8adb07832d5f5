"""`ranparity bench`: how long a step and a pass take, beside plain Keras and native PyTorch."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranparity import schema
from ranparity.benchmarks.case import BATCH, BATCH_LARGE, STEP, Case, case_of
from ranparity.errors import InputError
from ranparity.parity.ladder.case import LARGE
from ranparity.training import backends

if TYPE_CHECKING:
    from ranparity.report.operations_record import OperatedNet

MODEL = "attention56"
ROUNDS = 7
MEBI = 2**20
HEADERS = (
    "seconds",
    "x native",
    "lowest",
    "highest",
    "MiB",
    "of products",
    "first, cold",
    "first, again",
    "built after",
)


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "bench",
        help="seconds of a training step and a forward pass, beside native PyTorch",
        description="Times each backend's training step and forward pass, the same net in plain "
        "Keras with `train_on_batch`, and the same net in native PyTorch in its best layout: each "
        "in a process of its own, in turns, after a warm-up. Ratios are within rounds, so that a "
        "machine that is not alone does not favour one. The first step is timed from a cold start "
        "and from a second one. The measure of the machine is the fastest framework's rate of "
        "2048 x 2048 matrix products.",
    )
    add = parser.add_argument
    add(
        "models",
        nargs="*",
        metavar="MODEL",
        help=f"Residual Attention Networks and ResNets of `ranparity models` (default: {MODEL})",
    )
    add(
        "--batch-size",
        type=int,
        metavar="N",
        help=f"images (default: {BATCH}, and {BATCH_LARGE} with sides over {LARGE} pixels)",
    )
    add(
        "--backends",
        default=",".join(backends.NAMES),
        metavar="NAME,...",
        help="with commas between them (default: %(default)s); PyTorch is needed in any case",
    )
    add(
        "--device",
        choices=backends.DEVICES,
        default=backends.AUTO,
        help=f"{backends.DEVICE_HELP} (default: %(default)s)",
    )
    add("--rounds", type=int, default=ROUNDS, metavar="N", help="default: %(default)s")
    add("--json", action="store_true", help="print JSON in place of the tables")
    add(
        "--out",
        type=Path,
        metavar="FILE",
        help="also write what was found there, beside what it has of other nets and batch sizes",
    )
    add(
        "--operations",
        action="store_true",
        help="instead, time each convolution of the nets on our backends alone, its gradients, and "
        "the matrix product of the same work; with --out what is there already is passed over",
    )
    add(
        "--growth",
        action="store_true",
        help="instead, time our step alone as the batch, the depth (56 to 452) and the width grow, "
        "and with parts computed twice (--remat of `ranparity run`), with CIFAR nets; with --out "
        "what is there already is passed over",
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Times the nets and prints what they took."""
    names = arguments.backends.split(",")
    for name in ("torch", *names):
        backends.choose(name, {}, "--backends")
    if arguments.growth:
        return _grow(arguments, names)
    cases = [
        case_of(name, _positive("--batch-size", arguments.batch_size), arguments.device)
        for name in arguments.models or [MODEL]
    ]
    if arguments.operations:
        return _operate(arguments, cases, names)
    _positive("--rounds", arguments.rounds)
    return _compare(arguments, cases, names)


def _compare(arguments: argparse.Namespace, cases: list[Case], names: list[str]) -> int:
    """Times nets beside the same ones of others."""
    from ranparity.benchmarks import records
    from ranparity.benchmarks.run import bench
    from ranparity.parity.sessions import say
    from ranparity.workers import WorkerError

    before = records.read(arguments.out) if arguments.out else records.joined([])
    found = []
    for case in cases:
        try:
            found.append(bench(case, names, arguments.rounds, say))
        except WorkerError as error:
            raise InputError(f"{case.model}: {error}") from None
        if arguments.out:
            records.write(arguments.out, records.joined([before, *found]))
        if not arguments.json:
            print("\n".join(_lines(found[-1])), flush=True)
    if arguments.json:
        print(json.dumps(schema.versioned(records.joined(found)), indent=1))
    return 0


def _operate(arguments: argparse.Namespace, cases: list[Case], names: list[str]) -> int:
    """Times convolutions alone; gives 1 where something could not be run."""
    from ranparity.benchmarks import operations
    from ranparity.parity import sessions
    from ranparity.report import operations_record

    book = operations.Book(arguments.out, sessions.source())
    well = operations.run(book, cases, names, sessions.say)
    if arguments.json:
        print(json.dumps(book.content, indent=1))
        return 0 if well else 1
    found = operations_record.read(json.dumps(book.content).encode())
    if found.error:
        raise InputError(f"{arguments.out}: {found.error}: move it away")
    for net in found.nets:
        print("\n".join(_operated(net)))
    return 0 if well else 1


def _operated(net: OperatedNet) -> Iterator[str]:
    """What is said of a net, and a row for each of its convolutions."""
    from tabulate import tabulate

    from ranparity.report import operations

    yield ""
    where = f"{net.model}, batch {net.batch_size}, on {net.backend}"
    if net.error:
        yield f"{where}: failed"
        return
    yield f"{where}: {operations.said(net)}"
    yield ""
    rows = [operations.words(net, operation) for operation in net.operations]
    yield tabulate(rows, headers=operations.TITLES, disable_numparse=True)


def _grow(arguments: argparse.Namespace, names: list[str]) -> int:
    """Times what grows; gives 1 where something could not be run."""
    if arguments.operations:
        raise InputError("--growth, --operations: expected one of them. Received: both")
    if arguments.models or arguments.batch_size is not None:
        raise InputError("--growth has nets and batches of its own: leave out MODEL, --batch-size")
    from tabulate import tabulate

    from ranparity.benchmarks import growth
    from ranparity.parity import sessions

    book = growth.Book(arguments.out, sessions.source())
    well = growth.run(book, names, arguments.device, sessions.say)
    if arguments.json:
        print(json.dumps(book.content, indent=1))
        return 0 if well else 1
    rows = [
        [row["model"], row["batch_size"], _how(row), *_grown(row)] for row in book.content["points"]
    ]
    headers = ("model", "batch", "backend", "seconds", "images/s", "MiB")
    print(tabulate(rows, headers=headers, disable_numparse=True))
    return 0 if well else 1


def _how(row: dict[str, Any]) -> str:
    return f"{row['backend']} --remat" if row["remat"] else str(row["backend"])


def _grown(row: dict[str, Any]) -> list[str]:
    if "error" in row:
        return ["failed", "", ""]
    peak = row["peak_memory_bytes"]
    shown = "" if peak is None else f"{peak / MEBI:,.0f}"
    return [f"{row['seconds']:.3f}", f"{row['images_per_second']:.1f}", shown]


def _positive(option: str, value: int | None) -> int | None:
    if value is not None and value < 1:
        raise InputError(f"{option}: expected 1 or more. Received: {value}")
    return value


def _lines(found: dict[str, Any]) -> Iterator[str]:
    from tabulate import tabulate

    (net,) = found["nets"]
    rates = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in net["matrix_products"].items())
    yield ""
    yield (
        f"{net['model']}, batch {net['batch_size']}, {net['rounds']} rounds; 2048 x 2048 matrix "
        f"products, GFLOP/s: {rates}"
    )
    for what in dict.fromkeys(result["what"] for result in found["results"]):
        rows = [_row(result) for result in found["results"] if result["what"] == what]
        headers = (what.replace("_", " "), *HEADERS)[: len(rows[0])]
        yield ""
        yield tabulate(rows, headers=headers, disable_numparse=True)


def _row(result: dict[str, Any]) -> list[str]:
    peak = result["peak_memory_bytes"]
    row = [
        f"{result['implementation']} on {result['backend']}",
        f"{result['seconds']:.3f}",
        f"{result['ratio_to_native']:.2f}",
        *(f"{ratio:.2f}" for ratio in result["ratio_range"]),
        "" if peak is None else f"{peak / MEBI:,.0f}",
        f"{result['share_of_matmul_rate']:.0%}",
    ]
    if result["what"] != STEP:
        return row
    names = ("first_step_seconds_cold", "first_step_seconds_warm", "built_after_seconds_warm")
    return [*row, *(f"{result[name]:.1f}" for name in names)]
