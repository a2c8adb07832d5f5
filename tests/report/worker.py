"""Stands in for Python: does what collecting starts, at once and as RANPARITY_TEST says.

`torch=kill,jax=rubbish` is what each backend's processes do; a backend not named does well. The
lists of what was started is left in the file RANPARITY_STARTED.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, os.environ["RANPARITY_ROOT"])

from ranparity.caffe import graph as graphs
from ranparity.caffe import prototxt
from ranparity.caffe.description import describe
from ranparity.models import zoo
from ranparity.parity.check import pool_whole_map
from tests.report import ladder_samples, picture_samples, samples

BACKEND = os.environ["KERAS_BACKEND"]


def main(arguments: list[str]) -> int:
    module, *rest = arguments[1:]
    with Path(os.environ["RANPARITY_STARTED"]).open("a", encoding="utf-8") as log:
        log.write(json.dumps([BACKEND, module, *rest]) + "\n")
    behaviour = dict(part.split("=") for part in os.environ["RANPARITY_TEST"].split(",") if part)
    how = behaviour.get(f"{BACKEND}/{module.rpartition('.')[2]}", behaviour.get(BACKEND, ""))
    if how == "kill":
        print("about to be killed", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "hang":
        print("hanging", file=sys.stderr, flush=True)
        time.sleep(600)
    if how == "rubbish":
        print('{"name": 3}\nnot JSON')
        return write_run(rest, rubbish=True) if module == "ranparity.run" else 0
    if how in ("fail", "refuse"):
        print("no memory", file=sys.stderr)
        return 2 if how == "refuse" else 3
    return WORKERS[module](rest)


def tell(rest: list[str]) -> int:
    """As ranparity.parity.evidence, but from the prototxts."""
    for argument in rest:
        name, _, size = argument.partition(":")
        net = prototxt.read(zoo.entry(name).prototxt)
        height, width = map(int, size.split("x"))
        whole, _ = pool_whole_map(net.with_size(height, width))
        print(json.dumps(describe(graphs.build(whole)).to_json()), flush=True)
    return 0


def alter(rest: list[str]) -> int:
    """As ranparity.parity.live, one alteration a net: a layer of another name."""
    for name in rest:
        net = prototxt.read(zoo.entry(name).prototxt)
        data = describe(graphs.build(net)).to_json()
        data["layers"][0]["facts"]["attributes"]["stride"] = "9x9"
        line = {"model": name, "layer": net.layers[0].name, "what": "Convolution stride"}
        print(json.dumps(line | {"description": data}), flush=True)
    return 0


def write_run(rest: list[str], *, rubbish: bool = False) -> int:
    """As ranparity.run: says something, and leaves a run directory."""
    folder = Path(rest[rest.index("--out") + 1])
    folder.mkdir(parents=True, exist_ok=True)
    twin = int(rest[rest.index("--twin") + 1]) if "--twin" in rest else 0
    files = samples.twin_files(BACKEND, twin) if twin else samples.run_files(BACKEND)
    for name, content in files.items():
        (folder / name).write_bytes(b"{" if rubbish else content)
    (folder / "final.weights.h5").write_bytes(b"weights")
    print("epoch 1: train loss 1.0", file=sys.stderr)
    return 0


def draw_masks(rest: list[str]) -> int:
    """As ranparity masks: leaves the record and the picture."""
    folder = Path(rest[1])
    (folder / "masks.json").write_bytes(samples.encoded(picture_samples.masks(BACKEND)))
    (folder / "masks.png").write_bytes(picture_samples.png())
    return 0


def judge(rest: list[str]) -> int:
    """As ranparity.parity.ladder.nets: leaves a record."""
    folder = Path(rest[rest.index("--out") + 1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ladder-quick.json").write_bytes(ladder_samples.ladder())
    return 0


WORKERS = {
    "ranparity": draw_masks,
    "ranparity.parity.evidence": tell,
    "ranparity.parity.ladder.nets": judge,
    "ranparity.parity.live": alter,
    "ranparity.run": write_run,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
