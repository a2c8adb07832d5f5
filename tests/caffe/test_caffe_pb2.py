"""The compiled schema is what protoc makes of caffe.proto now."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor

from ranparity.caffe import caffe_pb2

FOLDER = Path(caffe_pb2.__file__).parent


def compiled(proto: Path, out: Path) -> dict[str, str]:
    """What protoc makes, in a process of its own: it dies beside some libraries in this one."""
    arguments = [f"-I{proto.parent}", f"--python_out={out}", f"--pyi_out={out}", str(proto)]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True)
    return {path.name: path.read_text() for path in sorted(out.iterdir())}


def test_it_is_not_stale(tmp_path: Path) -> None:
    made = compiled(FOLDER / "caffe.proto", tmp_path)
    assert set(made) == {"caffe_pb2.py", "caffe_pb2.pyi"}
    for name, text in made.items():
        assert text == (FOLDER / name).read_text(), f"{name} is stale: run nox -s protoc"


def test_a_stale_one_would_be_seen(tmp_path: Path) -> None:
    text = (FOLDER / "caffe.proto").read_text()
    proto, out = tmp_path / "caffe.proto", tmp_path / "out"
    out.mkdir()
    proto.write_text(text.replace("[default = 0.9]", "[default = 0.99]"))
    assert compiled(proto, out)["caffe_pb2.py"] != (FOLDER / "caffe_pb2.py").read_text()


def messages() -> list[Descriptor]:
    return list(caffe_pb2.DESCRIPTOR.message_types_by_name.values())


@pytest.mark.parametrize("message", messages(), ids=lambda message: message.name)
def test_a_window_is_told_in_the_two_ways_that_canonical_knows(message: Descriptor) -> None:
    """`_h` comes with `_w` and with a field for both; the canonical form rests on it."""
    fields = set(message.fields_by_name)
    for name in fields:
        if match := re.fullmatch(r"(kernel|stride|pad)_[hw]", name):
            both = "kernel_size" if match[1] == "kernel" else match[1]
            assert {f"{match[1]}_h", f"{match[1]}_w", both} <= fields


# Defaults that change what a net computes, from BVLC/caffe and from the authors' fork.
DEFAULTS = {
    "ConvolutionParameter": {"bias_term": True, "group": 1, "axis": 1},
    "PoolingParameter": {"pool": 0, "stride": 1, "pad": 0, "round_mode": 0},
    "InnerProductParameter": {"bias_term": True, "axis": 1, "transpose": False},
    "EltwiseParameter": {"operation": 1},
    "SoftmaxParameter": {"axis": 1},
    "ReLUParameter": {"negative_slope": 0.0},
    "InterpParameter": {"zoom_factor": 1, "shrink_factor": 1, "pad_beg": 0, "pad_end": 0},
    "ParamSpec": {"lr_mult": 1.0, "decay_mult": 1.0},
    "FillerParameter": {"type": "constant", "value": 0.0},
}


@pytest.mark.parametrize("message", DEFAULTS)
def test_defaults_are_caffes(message: str) -> None:
    empty = getattr(caffe_pb2, message)()
    assert {name: getattr(empty, name) for name in DEFAULTS[message]} == DEFAULTS[message]


def test_defaults_of_bn_are_the_forks() -> None:
    bn = caffe_pb2.BNParameter()
    assert (round(bn.momentum, 7), round(bn.eps, 12), bn.frozen) == (0.9, 1e-5, False)
