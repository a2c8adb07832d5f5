"""Second opinions on nets of prototxts: OpenCV and each backend, blob by blob, at level 1.

`nox -s second-opinion`, or `python -m ranparity.parity.ladder.opinions --help`.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ranparity.caffe import graph
from ranparity.caffe.shapes import infer
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.parity import sessions
from ranparity.parity.ladder import judge
from ranparity.parity.ladder.case import PROTOTXT, Case
from ranparity.parity.ladder.files import input_of, sized
from ranparity.parity.ladder.nets import Book
from ranparity.parity.ladder.planned import MOST, OPINIONS_RECORD, PUBLISHED
from ranparity.parity.ladder.run import OPENCV, Ladder, default_references, description
from ranparity.training import backends

ORIGINALS = "RANPARITY_ORIGINALS"  # the environment's word on where other people's files are
PUBLIC = "public"  # its folder with them
DESCRIPTION = f"""\
Build nets of prototxts for Keras, and hold every blob that a backend gives, and that OpenCV gives,
against a float64 execution of the file, with weights from the tape. By default the four published
nets, and other people's files of the folder {PUBLIC} in ${ORIGINALS}, if that is set. What is done
already is passed over: the session goes on where it was ended.
"""


def case_of(path: Path, most: int) -> Case:
    """Give the case of a file: one image of its size, or of fewer pixels where it can be.

    Args:
        path: The prototxt.
        most: Height and width at most, in pixels, unless the net takes no other size than its own.

    Raises:
        InputError: It cannot be read, or has no size.
    """
    own = input_of(sized(path)).shape[2:]
    size = tuple(min(side, most) for side in own)
    try:
        infer(graph.build(sized(path, size, 1)))
    except InputError:
        size = own
    return Case(str(path), size, 1, levels=(1,))


def files(given: Sequence[Path]) -> list[Path]:
    """Give the prototxts that are asked for; folders stand for those in them."""
    if given:
        return [path for each in given for path in _within(each)]
    found = [Path(zoo.entry(name).prototxt) for name in PUBLISHED]
    if folder := os.environ.get(ORIGINALS):
        found += _within(Path(folder, PUBLIC))
    return found


def _within(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if found := sorted(path.glob(f"*{PROTOTXT}")):
        return found
    raise InputError(f"{path}: expected files *{PROTOTXT} in this folder. Found: none")


def lines(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    """Say what was found of a file, in a line for each opinion."""
    for result in found["results"]:
        counts, worst = result["verdicts"], result["worst_rho"]
        bad = counts["differs"] + counts["not comparable"]
        shown = worst if isinstance(worst, str) else f"{worst or 0:.2f}"
        first = f", first {result['first_difference']}" if result["first_difference"] else ""
        yield (
            f"{name:>24}  {result['backend']:10}  {result['tensors']:4} blobs, {bad} mismatches, "
            f"worst rho {shown}{first}"
        )
    for kind in ("failures", "excluded"):
        for who, why in found[kind].items():
            yield f"{name:>24}  {who:10}  {'failed' if kind == 'failures' else 'not asked'}: {why}"


def main(argv: Sequence[str]) -> int:
    """Run the command line; gives the exit status: 0 pass, 1 a failure, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m ranparity.parity.ladder.opinions", description=DESCRIPTION
    )
    add = parser.add_argument
    add("files", nargs="*", type=Path, metavar="FILE|FOLDER", help="prototxts")
    add("--backends", default=",".join(backends.NAMES), help="default: %(default)s")
    add(
        "--most",
        type=int,
        default=MOST,
        metavar="N",
        help="height and width at most, in pixels, where a net takes another size (default: "
        "%(default)s)",
    )
    add("--out", type=Path, default=Path("reports/data"), help="default: %(default)s")
    add("--work", type=Path, default=Path("runs/ladder"), help="default: %(default)s")
    add("--again", action="store_true", help="do again what is done already")
    args = parser.parse_args(argv)
    names, source = sessions.named(args.backends), sessions.source()
    if args.most < 1:
        raise InputError(f"--most: expected 1 or more. Received: {args.most}")
    asked, refused = [], {}
    for path in files(args.files):
        try:
            asked.append(case_of(path, args.most))
        except InputError as error:
            if path in args.files:  # asked for by name
                raise
            refused[path.name] = str(error)
    args.out.mkdir(parents=True, exist_ok=True)
    recorded = {case: dataclasses.replace(case, model=Path(case.model).name) for case in asked}
    book = Book(args.out / OPINIONS_RECORD, source, list(recorded.values()))
    ladder = Ladder(names, args.work, default_references(), sessions.say, opencv=True)
    for case, known in recorded.items():
        if args.again or book.lacks(known, description(case)):
            found = ladder.run(case)
            book.add(known, _named(found.to_json(), case.model, known))
    return _summed([book.found(known) for known in recorded.values()], refused, book.path)


def _named(found: dict[str, Any], path: str, case: Case) -> dict[str, Any]:
    """What was found, by the file's name in the place of its path."""
    results = [result | {"model": case.model} for result in found["results"]]
    said = {
        kind: {who: why.replace(path, case.model) for who, why in found[kind].items()}
        for kind in ("failures", "excluded")
    }
    return found | {"case": case.to_json(), "results": results} | said


def _summed(found: Sequence[Mapping[str, Any]], refused: Mapping[str, str], path: Path) -> int:
    """Print all of it and its sums; gives the exit status."""
    for each in found:
        print("\n".join(lines(Path(each["case"]["model"]).stem, each)))
    for name, why in refused.items():
        print(f"{Path(name).stem:>24}  not run: {why}")
    failed = [each["case"]["model"] for each in found if each["verdict"] != judge.PASS]
    blobs: dict[str, int] = {}
    for each in found:
        for result in each["results"]:
            blobs[result["backend"]] = blobs.get(result["backend"], 0) + result["tensors"]
    counts = ", ".join(f"{name} {count:,}" for name, count in blobs.items())
    asked = sum(OPENCV not in each["excluded"] for each in found)
    print(
        f"{len(found)} files, {asked} of them by OpenCV too; blobs compared: {counts or 'none'}; "
        f"{len(failed) or 'no'} with mismatches; {len(refused)} not run; record: {path}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(sessions.guarded(main))
