"""`ranparity import` and `export --weights`: numbers go to Caffe and back on every backend."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest

from ranparity.caffe import caffemodel, graph, opencv, prototxt
from ranparity.caffe.arbiter import run
from ranparity.caffe.arbiter.explained import Question, explained
from ranparity.caffe.arbiter.noise import UNIT_ROUNDOFF
from ranparity.cli import main
from ranparity.models import caffemodels, zoo
from ranparity.models.export import to_prototxt
from ranparity.parity.ladder import rounding
from tests.models.test_caffemodels import values
from tests.programs import ranparity

NET = "attentionnext56@16"  # with groups
TITLE = zoo.entry(NET).title
TORCH = ("--backend", "torch")  # what the tests' process has imported
IMAGES = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Any:
    """A narrow net whose every number is its own."""
    made, random = zoo.entry(NET).build(input_shape=(64, 64, 3)), np.random.default_rng(0)
    for variable in made.variables:
        if len(variable.shape) < 2:
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
    return made


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, model: Any) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.weights.h5"
    model.save_weights(path)
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Callable[..., Path]:
    """Gives the folder that `export` writes on a backend in a dialect, once."""
    base, known = tmp_path_factory.mktemp("exported"), {}

    def export(backend: str, dialect: str) -> Path:
        folder = base / f"{backend}-{dialect}"
        arguments = ("export", NET, "--size", "64", "--weights", str(weights), "-o", str(folder))
        given = (*arguments, "--backend", backend, "--dialect", dialect)
        if folder not in known:
            if backend == "torch":
                assert main(list(given)) == 0
            else:
                done = ranparity(*given)
                assert (done.returncode, done.stderr) == (0, "")
            known[folder] = sorted(path.name for path in folder.iterdir())
        assert known[folder] == [f"{TITLE}.caffemodel", f"{TITLE}.prototxt"]
        return folder

    return export


def test_every_backend_writes_the_same_bytes(exported: Callable[..., Path], backend: str) -> None:
    for suffix in (".prototxt", ".caffemodel"):
        one, other = (exported(name, "authors") / f"{TITLE}{suffix}" for name in ("torch", backend))
        assert one.read_bytes() == other.read_bytes()


def test_opencv_loads_both_files_and_gives_the_nets_logits(
    exported: Callable[..., Path], model: Any
) -> None:
    folder = exported("torch", "opencv")
    net = cv2.dnn.readNetFromCaffe(
        *(str(folder / f"{TITLE}{x}") for x in (".prototxt", ".caffemodel"))
    )
    net.setInput(IMAGES)
    arbiter = run.Arbiter(graph.build(prototxt.parse(to_prototxt(model, NET), NET)))
    (given,), (logits,) = arbiter.graph.inputs, arbiter.steps[-1].node.inputs
    numbers = run.tensors(caffemodels.of(model))
    question = Question(arbiter, run.tensors({given.name: IMAGES}), numbers, training=False)
    references, _ = explained(question, UNIT_ROUNDOFF["float32"])
    expected = references[f"blob/{logits}"]
    row = rounding.compare(logits, net.forward(logits), expected.value, expected.noise, "float32")
    assert row.verdict == rounding.ROUNDING, row


def test_the_authors_form_is_imported_as_it_was(
    exported: Callable[..., Path], model: Any, backend: str, tmp_path: Path
) -> None:
    folder, path = exported("torch", "authors"), tmp_path / "net.keras"
    files = [str(folder / f"{TITLE}{suffix}") for suffix in (".prototxt", ".caffemodel")]
    given = ("import", *files, "-o", str(path), "--backend", backend)
    if backend == "torch":
        assert main(list(given)) == 0
    else:
        done = ranparity(*given)
        assert (done.returncode, done.stderr) == (0, "")
    theirs = values(keras.models.load_model(path))
    for key, value in values(model).items():
        slack = 3e-7 if key.endswith("variance") else 0
        np.testing.assert_allclose(theirs[key], value, rtol=slack, atol=slack)
    record = json.loads((tmp_path / "net.keras.json").read_text())
    assert (record["bn"], record["left_out"]) == ("inverse-std", [])
    assert [each["name"] for each in record["layers"].values()] == [
        layer.name for layer in prototxt.read(files[0]).layers
    ]


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([*map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("ranparity: ").rstrip("\n")


SMALL = (
    'input: "data" input_shape { dim: 1 dim: 2 dim: 4 dim: 4 } layer { name: "fc" '
    'type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 3 } }'
)


def test_what_does_not_fit_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net, numbers, out = (tmp_path / name for name in ("n.prototxt", "n.caffemodel", "n.keras"))
    net.write_text(SMALL)
    blobs = (caffemodel.Blob(np.zeros(15, np.float32), (3, 5)),)
    caffemodel.write(numbers, "n", [caffemodel.LayerBlobs("fc", "InnerProduct", blobs)])
    before = sorted(tmp_path.iterdir())
    text = refusal(capsys, "import", net, numbers, "-o", out, *TORCH)
    assert text == (
        f'{numbers}: layer "fc" (InnerProduct): expected 2 blobs (weight 3x32, bias 3), found 1'
    )
    assert sorted(tmp_path.iterdir()) == before
    numbers.write_bytes(numbers.read_bytes()[:-7])
    text = refusal(capsys, "import", net, numbers, "-o", out, *TORCH)
    assert text.startswith(f"{numbers}: expected a .caffemodel: ")
    assert refusal(capsys, "import", net, "-o", tmp_path / "n.h5") == (
        f"--output: expected a file name that ends with .keras; found {tmp_path / 'n.h5'}"
    )
    assert sorted(tmp_path.iterdir()) == before


def test_a_net_without_numbers_begins_as_caffes_filler_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net, out = tmp_path / "n.prototxt", tmp_path / "n.keras"
    net.write_text(SMALL)
    assert main(["import", str(net), "-o", str(out), *TORCH]) == 0
    assert capsys.readouterr().out == f"Wrote {out}: 1 layers, 99 numbers; names: {out}.json\n"
    assert keras.models.load_model(out).get_layer("fc").kernel.shape == (32, 3)


def test_what_export_is_asked_has_to_go_together(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = refusal(capsys, "export", NET, "--weights", weights)
    assert text == "--output: expected a folder, because --weights makes two files"
    text = refusal(capsys, "export", NET, "--dialect", "authors", "-o", tmp_path / "x")
    assert text == "--dialect: expected with --weights; a prototxt alone is the authors'"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opencv, "READ", ())
        text = refusal(
            capsys, "export", NET, "--size", 64, "--weights", weights, "-o", tmp_path / "x", *TORCH
        )
    assert text.endswith("; ask for --dialect authors")
    assert list((tmp_path / "x").iterdir()) == []
