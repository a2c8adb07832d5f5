"""Scripts that replay a layer: short, without ranparity, and right on every backend."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranparity.caffe import graph, prototxt
from ranparity.caffe.arbiter import run
from ranparity.caffe.arbiter.explained import answer
from ranparity.errors import InputError
from ranparity.parity.ladder import references, repro, rounding
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.judge import Difference, Result
from ranparity.parity.ladder.references import Asked, References
from ranparity.parity.ladder.rounding import Row
from ranparity.training import backends

TEXT = """
name: "Every"
input: "data" input_shape { dim: 2 dim: 3 dim: 9 dim: 9 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 stride: 2 group: 3 } }
layer { name: "conv/bn" type: "BN" bottom: "conv" top: "conv/bn" }
layer { name: "leaky" type: "ReLU" bottom: "conv/bn" top: "leaky"
  relu_param { negative_slope: 0.1 } }
layer { name: "max" type: "Pooling" bottom: "leaky" top: "max"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "average" type: "Pooling" bottom: "leaky" top: "average"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "interp" type: "Interp" bottom: "max" bottom: "leaky" top: "interp" }
layer { name: "sigmoid" type: "Sigmoid" bottom: "interp" top: "sigmoid" }
layer { name: "product" type: "Eltwise" bottom: "sigmoid" bottom: "leaky" top: "product"
  eltwise_param { operation: PROD } }
layer { name: "sum" type: "Eltwise" bottom: "product" bottom: "leaky" top: "sum"
  eltwise_param { operation: SUM coeff: 1 coeff: -0.5 } }
layer { name: "fc" type: "InnerProduct" bottom: "sum" top: "fc"
  inner_product_param { num_output: 5 } }
layer { name: "squared" type: "Power" bottom: "fc" top: "squared" power_param { power: 2 } }
layer { name: "both" type: "Concat" bottom: "fc" bottom: "squared" top: "both" }
layer { name: "norms" type: "Reduction" bottom: "both" top: "norms"
  reduction_param { operation: SUMSQ axis: 1 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
EVERY = "conv conv/bn leaky max average interp sigmoid product sum fc squared both norms prob"
BLOBS = {False: EVERY.split(), True: ["conv/bn"]}
GRADIENTS = ("conv/weight", "conv/bn/slope", "fc/weight")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, References]:
    net = prototxt.parse(TEXT)
    arbiter = run.Arbiter(graph.build(net))
    random = np.random.default_rng(0)
    weights = {
        name: random.uniform(0.5, 1.5, shape).astype(np.float32)
        for name, shape in (arbiter.parameters | arbiter.statistics).items()
    }
    images = random.standard_normal((2, 3, 9, 9)).astype(np.float32)
    targets = np.eye(5, dtype=np.float32)[:2]
    cache = tmp_path_factory.mktemp("references")
    return {
        training: references.find(
            Asked(net, images, weights, training, targets if training else None), cache
        )
        for training in (False, True)
    }


def written(backend: str, tensor: str, references_: References, folder: Path) -> Path:
    """The script for a tensor that is said to differ."""
    training = references_.question.training
    kind, _, name = tensor.partition("/")
    layer = name if kind == "blob" else name.rpartition("/")[0]
    rows = [Row(tensor, rounding.DIFFERS, rho=500.0)]
    case = Case("every", (9, 9), 2)
    result = Result(case, backend, 2 if training else 1, rows, [], Difference(tensor, layer))
    found = {name: x.numpy() for name, x in answer(references_.question).tensors.items()}
    return repro.write(result, found, references_, folder)


def printed(*scripts: Path) -> list[tuple[float, float]]:
    """What scripts print, run in one process apart from this project."""
    runs = "\n".join(f"runpy.run_path({str(script)!r})" for script in scripts)
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import runpy\n{runs}"],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = re.findall(r"relative distance .* here (\S+), in the net (\S+)", done.stdout)
    assert len(found) == len(scripts)
    return [(float(here), float(there)) for here, there in found]


@pytest.mark.parametrize("backend", backends.NAMES)
def test_every_type_is_replayed_in_float32(
    given: dict[bool, References], backend: str, tmp_path: Path
) -> None:
    """All scripts of a backend as one: what is given is right, so each is a rounding apart."""
    scripts = [
        written(backend, f"blob/{blob}", given[training], tmp_path)
        for training, blobs in BLOBS.items()
        for blob in blobs
    ]
    scripts += [written(backend, f"gradient/{name}", given[True], tmp_path) for name in GRADIENTS]
    assert len(scripts) == len(set(scripts)) == 18
    for (here, there), script in zip(printed(*scripts), scripts, strict=True):
        assert here < 3e-6, script.name
        assert there < 1e-12, script.name
        text = script.read_text()
        assert len(text.splitlines()) <= repro.MOST_LINES
        assert "ranparity" not in text


def test_what_the_net_had_is_told_beside_it(given: dict[bool, References], tmp_path: Path) -> None:
    script = written("torch", "blob/fc", given[False], tmp_path)
    numbers = script.with_suffix(".npz")
    with np.load(numbers) as content:
        tensors: dict[str, Any] = dict(content)
    tensors["found"] = 1.5 * tensors["found"]
    np.savez(numbers, **tensors)
    ((here, there),) = printed(script)
    assert here < 1e-6
    assert there == pytest.approx(0.5, rel=1e-3)
    assert numbers.stat().st_size < 100_000


def test_what_cannot_be_replayed_is_told(given: dict[bool, References], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--repro: expected a blob or a gradient of one layer"):
        written("torch", "loss", given[True], tmp_path)
    assert not list(tmp_path.iterdir())
