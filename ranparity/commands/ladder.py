"""`ranparity ladder`: is a net the same on every backend, and is what differs rounding?"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ranparity import schema
from ranparity.commands.shapes import size
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.parity.ladder.case import (
    BATCH,
    BATCH_LARGE,
    LARGE,
    LEVELS,
    PROTOTXT,
    SEPARATOR,
    STEPS,
    TWINS,
    Case,
)
from ranparity.training import backends, launching, precisions

MODEL = "attention56-cifar"
ARBITER = "tensorflow"
SHOWN = 5  # tensors that differ
FORMATS = ("channels_last", "channels_first")


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "ladder",
        help="levels 1 to 5: backends against a float64 arbiter, tensor by tensor",
        description="Runs nets on backends, one process each, with weights, batch and optimizer "
        "slots from the tape, and holds every tensor against a float64 execution of the net's "
        "prototxt. A difference is a rounding where it is explained by the roundings of that very "
        "net (Monte Carlo arithmetic), and named with its layer where it is not. Levels: 1 "
        "forward, 2 gradient, 3 update, 4 lockstep (updates along a run), 5 free run (how far "
        "runs part, against twins that begin one ulp apart). Exit status 1 if anything differs.",
    )
    add = parser.add_argument
    add(
        "models",
        nargs="*",
        metavar="MODEL",
        help=f"names that `ranparity models` lists, or of narrow twins such as {MODEL}@8; or any "
        "net's NAME.prototxt, built for Keras and run at level 1; or MODULE:FUNCTION, a function "
        f"of yours without arguments that returns a Keras model (default: {MODEL})",
    )
    add(
        "--backends",
        default=",".join(backends.NAMES),
        metavar="NAME,...",
        help="with commas between them; level 4 goes along the first one's run "
        "(default: %(default)s)",
    )
    add(
        "--levels",
        type=levels,
        metavar="A-B",
        help=f"such as 1-3 or 2,5 (default: 1-5; 1-4 in 16 bits; 1-3 of nets with sides over "
        f"{LARGE} pixels)",
    )
    add("--size", type=size, metavar="N|HxW", help="in pixels (default: the net's own)")
    add(
        "--batch-size",
        type=int,
        metavar="N",
        help=f"images (default: {BATCH}, and {BATCH_LARGE} with sides over {LARGE} pixels)",
    )
    add("--steps", type=int, metavar="N", help=f"of levels 4 and 5 (default: {STEPS})")
    add("--twins", type=int, metavar="N", help=f"of level 5, a backend (default: {TWINS})")
    add("--seed", type=int, default=0, metavar="N", help="of the tape (default: %(default)s)")
    add(
        "--precision",
        choices=backends.PRECISIONS,
        default=backends.PRECISIONS[0],
        help="default: %(default)s; in float64 each two backends are held against each other too; "
        "in bfloat16 and float16 layers compute so, and the rest is in float32, as in `run`",
    )
    add(
        "--device",
        choices=backends.DEVICES,
        default=backends.AUTO,
        help=f"{backends.DEVICE_HELP} (default: %(default)s)",
    )
    add(
        "--devices",
        type=int,
        default=1,
        metavar="N",
        help="compute each batch of levels 3 to 5 on N devices together, as `run` does; every "
        "tensor of levels 1 and 2 is one device's (default: %(default)s)",
    )
    add(
        "--respect-frozen",
        action="store_true",
        help="let BN that the prototxt calls frozen be so: kept statistics in training too, scale "
        "and shift as they are (default: ignored, since nobody trains a net so)",
    )
    add("--data-format", choices=FORMATS, default=FORMATS[0], help="default: %(default)s")
    add(
        "--against",
        choices=("opencv",),
        help="also hold OpenCV's reading of the prototxt against the arbiter, at level 1",
    )
    add(
        "--arbiter",
        metavar="BACKEND",
        help="of MODULE:FUNCTION, which has no prototxt: the backend whose float64 all are held "
        f"against (default: {ARBITER}, or the first of --backends where that is not installed)",
    )
    add(
        "--repro",
        type=Path,
        metavar="FOLDER",
        help="write a script that replays the layer of the first blob or gradient that differs, "
        "without ranparity, with its numbers beside it",
    )
    add("--json", action="store_true", help="print JSON in place of the tables, with every tensor")
    add(
        "--work",
        type=Path,
        metavar="FOLDER",
        default=Path("runs/ladder"),
        help="folder for tensors, removed when they are judged (default: %(default)s)",
    )
    parser.set_defaults(execute=execute)


def levels(text: str) -> tuple[int, ...]:
    """Levels from text: `1-3`, `2`, or `1,4-5`."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise argparse.ArgumentTypeError(f"expected levels such as 1-3 or 2,5; found {text!r}")
        found |= set(range(int(first), int(last or first) + 1))
    if not found or not found <= set(LEVELS):
        raise argparse.ArgumentTypeError(f"expected levels from 1 to 5; found {text!r}")
    return tuple(sorted(found))


def execute(arguments: argparse.Namespace) -> int:
    """Runs the ladder and prints what it found."""
    launching.check_alone(os.environ, "ladders")
    names = _backends(arguments.backends)
    cases = [_case(name, arguments, names) for name in arguments.models or [MODEL]]
    from ranparity.parity.ladder.run import Ladder, default_references

    ladder = Ladder(
        names,
        arguments.work,
        default_references(),
        _say,
        opencv=bool(arguments.against),
        repro=arguments.repro,
        arbiter=_arbiter(arguments.arbiter, names),
        device=arguments.device,
    )
    found = []
    for case in cases:
        one = ladder.run(case)
        found.append(one)
        if not arguments.json:
            print("\n".join(_lines(one.to_json(rows=True))), flush=True)
    if arguments.json:
        content = [one.to_json(rows=True) for one in found]
        results = [result for one in content for result in one.pop("results")]
        said = schema.versioned({"results": results, "cases": content})
        print(json.dumps(said, indent=1, allow_nan=False))
    return int(any(one.verdict != "pass" for one in found))


def _backends(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        backends.choose(name, {}, "--backends")
    if len(set(names)) < len(names):
        raise InputError(f"--backends: expected each once. Received: {text!r}")
    return names


def _arbiter(asked: str | None, names: Sequence[str]) -> str:
    """Gives the backend whose float64 imported models are held against."""
    if asked is None:
        return ARBITER if importlib.util.find_spec(ARBITER) else names[0]
    return backends.choose(asked, {}, "--arbiter")[0]


def _case(name: str, arguments: argparse.Namespace, names: Sequence[str]) -> Case:
    """Gives what is asked of a net, checked."""
    if name.endswith(PROTOTXT):
        return _of_file(name, arguments, names)
    if SEPARATOR in name:
        _check_imported(name, arguments)
        return _asked(name, (), arguments, names)
    if arguments.arbiter:
        raise InputError(f"--arbiter: {name} has a prototxt, which is executed in float64")
    entry = zoo.entry(name)
    if "@" not in name:
        _ = entry.prototxt  # or it says that there is none
    return _asked(entry.name, arguments.size or entry.input_shape[:2], arguments, names)


def _of_file(path: str, arguments: argparse.Namespace, names: Sequence[str]) -> Case:
    """Gives what is asked of a prototxt."""
    from ranparity.parity.ladder.files import input_of, sized

    shape = input_of(sized(path, arguments.size or ())).shape
    if arguments.levels not in (None, (1,)):
        raise InputError(
            f"--levels: expected 1 of {path}: other levels train, and it has no recipe"
        )
    arguments = argparse.Namespace(**{**vars(arguments), "levels": (1,)})
    return _asked(path, shape[2:], arguments, names)


def _check_imported(name: str, arguments: argparse.Namespace) -> None:
    """Raises `InputError` for what can only be asked of a net with a prototxt."""
    module, _, function = name.partition(SEPARATOR)
    if not (function.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise InputError(
            f"MODEL: expected a name that `ranparity models` lists, or MODULE:FUNCTION such as "
            f"my_package.my_module:build_model. Received: {name!r}"
        )
    options = {
        "--size": arguments.size,
        f"--precision {arguments.precision}": arguments.precision in precisions.MIXED,
        "--data-format": arguments.data_format != FORMATS[0],
        "--respect-frozen": arguments.respect_frozen,
        "--against": arguments.against,
        "--repro": arguments.repro,
        "--devices": arguments.devices > 1,
    }
    for option, value in options.items():
        if value:
            raise InputError(f"{option}: expected a net with a prototxt, and {name} has none")


def _asked(
    name: str, side: Sequence[int], arguments: argparse.Namespace, names: Sequence[str]
) -> Case:
    large = max(side, default=0) > LARGE
    mixed = arguments.precision in precisions.MIXED
    asked = arguments.levels or ((1, 2, 3) if large else LEVELS[:4] if mixed else LEVELS)
    steps = STEPS if arguments.steps is None else arguments.steps
    twins = TWINS if arguments.twins is None else arguments.twins
    batch = arguments.batch_size
    if batch is None:
        batch = BATCH_LARGE if large else BATCH
    for option, value, least in (("--batch-size", batch, 1), ("--steps", steps, 2)):
        if value < least:
            raise InputError(f"{option}: expected {least} or more. Received: {value}")
    if 5 in asked and twins < 1:
        raise InputError(f"--twins: expected 1 or more for level 5. Received: {twins}")
    if 5 in asked and mixed:
        raise InputError(
            f"--levels: expected some of 1 to 4 in {arguments.precision}: a twin that begins a "
            "unit of it off is further from its run than a step goes: level 5 could say nothing"
        )
    if 5 in asked and len(names) < 2:
        raise InputError("--levels: level 5 holds backends against each other, and there is one")
    if arguments.seed < 0:
        raise InputError(f"--seed: expected 0 or more. Received: {arguments.seed}")
    _check_devices(arguments.devices, batch, asked)
    return Case(
        model=name,
        size=tuple(side),
        batch_size=batch,
        seed=arguments.seed,
        precision=arguments.precision,
        data_format=arguments.data_format,
        levels=asked,
        steps=steps,
        twins=twins,
        respect_frozen=arguments.respect_frozen,
        devices=arguments.devices,
    )


def _check_devices(devices: int, batch: int, asked: Sequence[int]) -> None:
    """Raise `InputError` unless devices can share the batches of some level out."""
    if devices < 1:
        raise InputError(f"--devices: expected 1 or more. Received: {devices}")
    if devices > 1 and max(asked) < 3:
        raise InputError(
            "--devices: several devices share the steps of levels 3 to 5 out. Received: levels "
            f"{', '.join(map(str, asked))}"
        )
    if batch % devices:
        raise InputError(
            f"--devices: expected a number that divides the batch of {batch} images. Received: "
            f"{devices}"
        )


def _say(line: str) -> None:
    if sys.stderr.isatty():
        print(f"{line} ...", file=sys.stderr)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    from tabulate import tabulate

    case = found["case"]
    yield ""
    size = f" at {'x'.join(map(str, case['size']))}" if case["size"] else ""
    devices = f", {case['devices']} devices" if "devices" in case else ""
    yield (
        f"{case['model']}{size}, batch {case['batch_size']}{devices}, {case['precision']}, seed "
        f"{case['seed']}: {found['verdict'].upper()}; arbiter: {found['arbiter']}"
    )
    for backend, reason in found["failures"].items():
        yield f"  {backend}: {reason}"
    for name, reason in found["excluded"].items():
        yield f"  {name} is not asked: {reason}"
    measured = [result for result in found["results"] if result["level"] != 5]
    if measured:
        headers = ("level", "backend", "tensors", "same", "rounding", "differ", "not comparable")
        table = [_cells(result) for result in measured]
        yield tabulate(
            table,
            headers=(*headers, "median rho", "worst rho", "of", "decisions", "verdict"),
            floatfmt=".3g",
        )
        yield f"rho above {found['limit']:g} differs; decisions: ReLU signs and max-pool argmaxes"
        yield from _against_the_arbiter(found)
    for result in measured:
        yield from _difference(result)
    yield from _free_run(found)
    for backend, script in found["scripts"].items():
        yield f"  {backend}: {script}"
    memory = ", ".join(
        f"{name} {peak / 2**30:.1f}" for name, peak in found["peak_memory"].items() if peak
    )
    yield f"{found['seconds']['all']:.0f} s; peak memory in GiB: {memory}"


def _against_the_arbiter(found: dict[str, Any]) -> Iterator[str]:
    """Says so where the backend that is the arbiter may be what is wrong."""
    arbiter, _, kind = found["arbiter"].partition(",")
    apart = {r["backend"] for r in found["results"] if r["first_difference"]}
    known = {r["backend"] for r in found["results"] if "~" not in r["backend"]}
    if arbiter in known and len(known) > 2 and apart == known - {arbiter}:
        yield (
            f"all but {arbiter} differ, and {arbiter}'s{kind} is the arbiter: the fault may be its "
            "own: ask again with another --arbiter"
        )


def _cells(result: dict[str, Any]) -> tuple[Any, ...]:
    verdicts = result["verdicts"]
    return (
        result["level"],
        result["backend"],
        result["tensors"],
        *(verdicts[name] for name in ("identical", "rounding", "differs", "not comparable")),
        result["median_rho"],
        result["worst_rho"],
        result["worst_tensor"],
        result["decisions_differ"],
        result["verdict"],
    )


def _difference(result: dict[str, Any]) -> Iterator[str]:
    """Says where a level first differs, and what is known of that tensor."""
    where = f"  level {result['level']} on {result['backend']}"
    for each in result["decisions"]:
        if each["fault"]:
            yield (
                f"{where}: {each['layer']} decides otherwise at {each['count']} of {each['of']} "
                f"places, by up to {each['margin']:.3g} times the explained noise"
            )
    first = result["first"]
    if not first:
        return
    attributes = " ".join(f"{name}={value}" for name, value in first["attributes"].items())
    agreed = {True: ", which agree", False: ", which differ too", None: ""}[first["inputs_agreed"]]
    read = f"; reads {', '.join(first['inputs'])}{agreed}" if first["inputs"] else ""
    yield f"{where}: first to differ is {first['tensor']} ({first['type']} {attributes}{read})"
    if first["behind"]:
        yield f"    gradients behind it agree: look at {', '.join(first['behind'])}"
    bad = [row for row in result["rows"] if row["verdict"] in ("differs", "not comparable")]
    for row in bad[:SHOWN]:
        yield f"    {_row(row)}"
    if len(bad) > SHOWN:
        yield f"    and {len(bad) - SHOWN:,} more; --json has all"


def _row(row: dict[str, Any]) -> str:
    at = f" at step {row['step']}" if row["step"] is not None else ""
    if row["verdict"] == "not comparable":
        return f"{row['tensor']}{at}: not comparable: {row['reason']}"
    rho = row["rho"] if isinstance(row["rho"], str) else f"{row['rho']:.3g}"
    return (
        f"{row['tensor']}{at}: rho {rho}, rms error {row['rms_error']:.3g} (explained "
        f"{row['noise']:.3g}), largest {row['largest_error']:.3g} at {row['worst']}: "
        f"{row['found']:.9g} for {row['expected']:.9g}"
    )


def _free_run(found: dict[str, Any]) -> Iterator[str]:
    runs = found["free_run"]
    for pair in runs.get("pairs", ()):
        one, other = pair["backends"]
        if pair["horizon"] <= 1:
            yield (
                f"  level 5: {one} and {other}: not comparable: twins are too far apart after the "
                "first step"
            )
            continue
        part = pair["apart_after_step"]
        said = "no further apart than twins" if part is None else f"apart after step {part}"
        yield (
            f"  level 5: {one} and {other}: {said}: {float(pair['ratio']):.3g} of the twins' "
            f"largest distance ({runs['factor']:g} allowed), up to step {pair['horizon'] - 1} of "
            f"{len(pair['losses'])}; then chaos"
        )
    for backend, verdict in runs.get("verdicts", {}).items():
        yield f"  level 5 on {backend}: {verdict}"
