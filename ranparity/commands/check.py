"""`ranparity check`: is the Keras model the net that its prototxt describes?"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from ranparity import schema
from ranparity.commands.shapes import size
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.training import backends

SHOWN = 10  # differences printed for each net; --json has all


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "check",
        help="level 0: Keras models against their prototxts, layer by layer",
        description="Builds each Keras model on a backend, traces every blob's shape there, and "
        "holds shapes, parameters, counts, MACs and all attributes against the parsed prototxt, "
        "at the net's own size and at an odd one, where Caffe's ceil rule and padding='same' "
        "part. Exit status 1 if anything differs.",
    )
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"default: all of {', '.join(zoo.ENTRIES)}"
    )
    parser.add_argument(
        "--backend",
        help=f"{', '.join(backends.NAMES)} (default: what KERAS_BACKEND says, else the first of "
        "these that is installed)",
    )
    parser.add_argument(
        "--size",
        type=size,
        action="append",
        default=[],
        metavar="N|HxW",
        help="an input size in pixels, may be repeated (default: the net's own and an odd one)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument(
        "--alter",
        action="store_true",
        help="show that the check can fail: alter every attribute of every layer of each "
        "prototxt, one at a time, and count the alterations that are reported at their layer",
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Checks the nets and prints what was found."""
    from ranparity.workers import WorkerError

    entries = [zoo.entry(name) for name in arguments.models or zoo.ENTRIES]
    backend, reason = backends.choose(arguments.backend, os.environ)
    if not arguments.json:
        print(f"Backend {backend}: {reason}.")
    try:
        if arguments.alter:
            return _alter(entries, backend, as_json=arguments.json)
        return _check(entries, backend, arguments)
    except WorkerError as error:
        raise InputError(f"backend {backend}: {error}") from None


def _check(entries: Sequence[zoo.Entry], backend: str, arguments: argparse.Namespace) -> int:
    from ranparity.parity.check import evidence

    found = evidence(entries, backend, arguments.size)
    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        for result in found["results"]:
            print("\n".join(_lines(result)))
        print(_summary(found))
    return int(any(result["verdict"] == "fail" for result in found["results"]))


def _lines(result: dict[str, Any]) -> Iterator[str]:
    errata = f", erratum {', '.join(result['errata'])}" if result["errata"] else ""
    yield ""
    yield (
        f"{result['title']}: {result['verdict'].upper()} against {result['prototxt']} "
        f"({result['origin']}{errata}) at {' and '.join(result['sizes'])}"
    )
    yield (
        f"  {result['compared']:,} facts compared, {len(result['differences']):,} differ; "
        f"{result['layers']} layers, {result['blobs']} blobs, "
        f"{result['trainable_parameters']:,} parameters "
        f"({result['parameters_with_statistics']:,} with statistics), {result['macs']:,} MACs"
    )
    for figure in result["paper"]:
        yield (
            f"  paper, {figure['where']}: {figure['paper']} {figure['what'].replace('_', ' ')}; "
            f"here {figure['here']:,} ({figure['difference_percent']:+.2f} %)"
        )
    for line in result["adaptations"]:
        yield f"  adapted: {line}"
    for row in result["differences"][:SHOWN]:
        yield (
            f"  {row['size']} {row['layer']}: {row['what']}: Keras {row['keras']}, "
            f"prototxt {row['prototxt']}"
        )
    if len(result["differences"]) > SHOWN:
        yield f"  and {len(result['differences']) - SHOWN:,} more; --json lists all"


def _summary(found: dict[str, Any]) -> str:
    passed = sum(result["verdict"] == "pass" for result in found["results"])
    compared = sum(result["compared"] for result in found["results"])
    return (
        f"\n{passed} of {len(found['results'])} nets pass, {compared:,} facts compared "
        f"on {found['backend']} in {found['seconds']} s"
    )


def _alter(entries: Sequence[zoo.Entry], backend: str, *, as_json: bool) -> int:
    """Alters prototxts and live models, and prints how many alterations were found."""
    from ranparity.parity.alterations import prove, prove_live
    from ranparity.parity.check import with_progress

    proofs = {
        "prototxt": list(with_progress(prove(entries, backend), len(entries))),
        "live Keras model": list(with_progress(prove_live(entries, backend), len(entries))),
    }
    if as_json:
        data = {side: [proof.to_json() for proof in found] for side, found in proofs.items()}
        print(json.dumps(schema.versioned({"backend": backend} | data), indent=1))
    for side, found in () if as_json else proofs.items():
        for proof in found:
            print(f"\n{proof.title}: alterations of the {side}, one at a time")
            print(_proof_table(proof))
    return int(any(proof.missed for found in proofs.values() for proof in found))


def _proof_table(proof: Any) -> str:
    from tabulate import tabulate

    rows = [(what, tried, found) for what, (tried, found) in proof.counts.items()]
    rows.append(("all", proof.tried, proof.found))
    table = tabulate(rows, headers=("attribute", "tried", "found at its layer"))
    return "\n".join([table, *(f"  missed: {missed}" for missed in proof.missed[:SHOWN])])
