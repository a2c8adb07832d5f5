"""The three backends, each in a process of its own: what they saw and did, and how alike it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ranparity.data import digest
from ranparity.errors import InputError
from ranparity.training import backends

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LIMIT = 300  # seconds, of which a worker needs ten
RATE, MOMENTUM, DECAY = 0.01, 0.9, 0.1  # as in backend_worker.py

# Six steps in float32 from equal weights on equal batches. The largest relative difference of a
# loss between two backends was 9e-7; the smaller fault below made 6e-3 at its worst step.
LOSS_AGREEMENT = 1e-5
ADAMW_AGREEMENT = 1e-4  # three steps of it; the largest difference was 1.1e-5

pytestmark = pytest.mark.xdist_group("training backends")  # the workers run once


@dataclass(frozen=True)
class Worked:
    """What a worker wrote."""

    folder: Path
    report: dict[str, Any]

    def weights(self, way: str) -> dict[str, NDArray[Any]]:
        return self._arrays(f"{way}-weights.npz")

    def slots(self, way: str) -> dict[str, NDArray[Any]]:
        return self._arrays(f"{way}-slots.npz")

    def losses(self, way: str) -> NDArray[np.float64]:
        return np.array(self.report["losses"][way])

    def _arrays(self, file: str) -> dict[str, NDArray[Any]]:
        with np.load(self.folder / file) as arrays:
            return {name: arrays[name] for name in arrays.files}


def work(name: str, folder: Path, others: list[Path]) -> Worked:
    folder.mkdir()
    files = [str(other / "final.weights.h5") for other in others]
    done = subprocess.run(
        [sys.executable, str(HERE / "backend_worker.py"), name, str(folder), *files],
        env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": name},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Worked(folder, json.loads((folder / "report.json").read_text()))


@pytest.fixture(scope="module")
def all_worked(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Worked]:
    root = tmp_path_factory.mktemp("backends")
    worked: dict[str, Worked] = {}
    for name in backends.NAMES:
        worked[name] = work(name, root / name, [root / other for other in worked])
    return worked


@pytest.fixture(params=backends.NAMES)
def worked(request: pytest.FixtureRequest, all_worked: Mapping[str, Worked]) -> Worked:
    return all_worked[request.param]


@pytest.fixture
def reports(all_worked: Mapping[str, Worked]) -> list[dict[str, Any]]:
    return [worked.report for worked in all_worked.values()]


def velocities(worked: Worked, way: str) -> dict[str, NDArray[Any]]:
    return {name.removesuffix("/velocity"): slot for name, slot in worked.slots(way).items()}


def assert_same_bits(a: dict[str, NDArray[Any]], b: dict[str, NDArray[Any]]) -> None:
    assert digest.of_named_arrays(a) == digest.of_named_arrays(b)


def test_all_start_from_the_same_bytes(reports: list[dict[str, Any]]) -> None:
    assert len({report["initial"] for report in reports}) == 1
    assert all(report["initial"] == report["initial_in_model"] for report in reports)


def test_all_see_the_same_batches(reports: list[dict[str, Any]]) -> None:
    batches = [tuple(report["batches"]) for report in reports]
    assert len(set(batches)) == 1
    assert len(set(batches[0])) == len(batches[0])


def apart(
    all_worked: Mapping[str, Worked], way: str, other_way: str, steps: int | None = None
) -> float:
    """Largest relative difference of a loss between one backend's way and another's other way."""
    every = all_worked.values()
    differences = [
        np.abs(a.losses(way)[:steps] / b.losses(other_way)[:steps] - 1).max()
        for a in every
        for b in every
    ]
    return float(max(differences))


@pytest.mark.parametrize("way", ["first", "mixed"])
def test_losses_agree_between_backends(all_worked: Mapping[str, Worked], way: str) -> None:
    assert apart(all_worked, way, way) < LOSS_AGREEMENT


@pytest.mark.parametrize("way", ["adamw-pytorch", "adamw-keras"])
def test_losses_agree_under_adamw(all_worked: Mapping[str, Worked], way: str) -> None:
    """For three steps: AdamW moves a weight as far for a gradient of rounding as for any other."""
    assert apart(all_worked, way, way, steps=3) < ADAMW_AGREEMENT
    assert apart(all_worked, way, "first", steps=3) > 10 * ADAMW_AGREEMENT


def test_a_frameworks_own_step_with_momentum_is_the_rule_written_out(worked: Worked) -> None:
    """PyTorch and TensorFlow have one; JAX compiles the rule as it is written."""
    assert worked.losses("written-out") == pytest.approx(worked.losses("first"), rel=LOSS_AGREEMENT)
    found, wanted = (worked.weights(way) | worked.slots(way) for way in ("first", "written-out"))
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-6)
    is_own = digest.of_named_arrays(found) != digest.of_named_arrays(wanted)
    assert is_own == (worked.folder.name != "jax")


@pytest.mark.parametrize(("way", "other"), [("remat", "first"), ("remat-upper", "upper")])
def test_what_is_computed_twice_trains_alike(worked: Worked, way: str, other: str) -> None:
    """The compilers may add gradients in another order; PyTorch does as it is told."""
    assert worked.losses(way) == pytest.approx(worked.losses(other), rel=LOSS_AGREEMENT)
    found, wanted = worked.weights(way), worked.weights(other)
    for name, weight in wanted.items():
        np.testing.assert_allclose(found[name], weight, rtol=1e-4, atol=1e-6)
    if worked.folder.name == "torch":
        assert_same_bits(found, wanted)
        assert_same_bits(worked.slots(way), worked.slots(other))


def test_ways_of_training_are_told_apart(all_worked: Mapping[str, Worked]) -> None:
    assert apart(all_worked, "first", "mixed") > 100 * LOSS_AGREEMENT


def test_adamw_keeps_two_moments_of_each_weight(worked: Worked) -> None:
    names = {name.rpartition("/") for name in worked.slots("adamw-keras")}
    assert len(names) == 18
    assert {slot for _, _, slot in names} == {"first_moment", "second_moment"}
    assert all(
        (slot >= 0).all() for name, slot in worked.slots("adamw-keras").items() if "second" in name
    )


def test_slots_of_another_net_are_refused_and_change_nothing(worked: Worked) -> None:
    missing, misshapen = worked.report["refusals"]
    assert missing.startswith("slots: expected those of caffe-nesterov. Not in both: ")
    assert misshapen.startswith("slot conv1/kernel/velocity: expected shape (3, 3, 3, 8). ")


@pytest.mark.parametrize("fault", ["decoupled", "other-order"])
def test_a_fault_would_be_seen_in_the_losses(all_worked: Mapping[str, Worked], fault: str) -> None:
    """Decay beside the velocity, and batches of another seed; alike on every backend."""
    assert apart(all_worked, fault, fault) < LOSS_AGREEMENT
    assert apart(all_worked, "first", fault) > 100 * LOSS_AGREEMENT


def test_layers_that_are_fixed_stay_as_they_are(worked: Worked) -> None:
    """Their weights and their statistics; and no slots are kept for them."""
    start, end = worked.weights("upper-start"), worked.weights("upper")
    fixed = {name for name in start if name.startswith("conv1")}
    assert len(fixed) == 5
    assert {name for name in start if np.array_equal(start[name], end[name])} == fixed
    assert {name.partition("/")[0] for name in worked.slots("upper")} == {"classifier", "penalty"}


def test_what_layers_add_to_the_loss_is_minimised_and_does_not_pile_up(worked: Worked) -> None:
    """Its value and its gradient, here 2 w; three steps at a rate of 0 have one loss."""
    start, moved = worked.weights("upper-start"), velocities(worked, "upper-one")
    first, *others = worked.losses("still").tolist()
    assert others == [first, first]
    assert worked.losses("upper")[0] == first
    weight = start["penalty/kernel"].astype(np.float64)
    assert 1 < first - (weight**2).sum() < 6, "the cross-entropy of a new net of 12 outputs"
    expected = RATE * (2 + DECAY) * weight
    np.testing.assert_allclose(moved["penalty/kernel"], expected, rtol=1e-5)


def test_parts_of_a_net_train_alike_on_every_backend(all_worked: Mapping[str, Worked]) -> None:
    assert apart(all_worked, "upper", "upper") < LOSS_AGREEMENT
    assert apart(all_worked, "upper", "first", steps=3) > 100 * LOSS_AGREEMENT


def test_the_same_run_twice_is_the_same_bit_for_bit(worked: Worked) -> None:
    assert worked.losses("first").tolist() == worked.losses("again").tolist()
    assert_same_bits(worked.weights("first"), worked.weights("again"))
    assert_same_bits(worked.slots("first"), worked.slots("again"))


def test_a_run_that_is_put_down_and_taken_up_is_the_same_bit_for_bit(worked: Worked) -> None:
    assert worked.losses("first")[3:].tolist() == worked.losses("resumed").tolist()
    assert_same_bits(worked.weights("first"), worked.weights("resumed"))
    assert_same_bits(worked.slots("first"), worked.slots("resumed"))
    half = digest.of_named_arrays(worked.weights("half"))
    assert half != digest.of_named_arrays(worked.weights("first"))


def test_the_first_step_is_nesterovs_from_rest(worked: Worked) -> None:
    """Its velocity v' is lr (g + decay w), and w - w' is (1 + momentum) v', for every weight."""
    start = worked.weights("one-step")
    moved = velocities(worked, "one-step")
    plain = velocities(worked, "one-step-without-decay")
    end_plain = worked.weights("one-step-without-decay")
    assert len(moved) == 9  # two kernels, a bias, two scales and shifts, the classifier's two
    for name, velocity in moved.items():
        before = end_plain[name] + (1 + MOMENTUM) * plain[name]
        decayed = plain[name] + RATE * DECAY * before
        np.testing.assert_allclose(velocity, decayed, rtol=1e-5, atol=1e-6, err_msg=name)
        after = before - (1 + MOMENTUM) * velocity
        np.testing.assert_allclose(start[name], after, rtol=1e-5, atol=1e-6, err_msg=name)


def test_every_weight_is_decayed_scale_and_shift_too(worked: Worked) -> None:
    moved = velocities(worked, "one-step")
    plain = velocities(worked, "one-step-without-decay")
    for name in ("conv1/kernel", "conv1-bn/gamma", "classifier/kernel"):
        assert not np.allclose(moved[name], plain[name], rtol=1e-5, atol=1e-6)


def test_moving_statistics_follow_the_batches(worked: Worked) -> None:
    """With momentum .9 a step keeps nine tenths; a variance that starts at 1 shows it."""
    after = worked.weights("one-step")["conv1-bn/moving_variance"]
    assert (after != 1).all()
    assert (after >= 0.9).all()


def test_outputs_agree_and_inference_changes_nothing(all_worked: Mapping[str, Worked]) -> None:
    outputs = [np.load(worked.folder / "logits.npy") for worked in all_worked.values()]
    size = np.abs(outputs[0]).max()
    for other in outputs[1:]:
        assert np.abs(other - outputs[0]).max() < LOSS_AGREEMENT * size
    assert all(worked.report["test_mode_changes_nothing"] for worked in all_worked.values())


def test_weights_saved_on_a_backend_load_on_the_others(all_worked: Mapping[str, Worked]) -> None:
    """The worker compares them bit for bit with the arrays saved beside."""
    loaded = [len(worked.report["exchanged"]["loaded"]) for worked in all_worked.values()]
    assert loaded == [0, 1, 2]


SWITCHES = {
    "torch": {"use_deterministic_algorithms": True, "fp32_precision": "ieee"},
    "tensorflow": {"enable_op_determinism": True, "tensor_float_32": False},
    "jax": {"jax_default_matmul_precision": "highest", "jax_enable_x64": False},
}


def test_switches_are_set_and_reported(all_worked: Mapping[str, Worked]) -> None:
    for name, worked in all_worked.items():
        switches = worked.report["switches"]
        assert SWITCHES[name].items() <= switches.items()
        assert switches["threads"] == backends.processors()
        assert worked.report["device"]


def test_a_backend_is_what_is_asked_for_then_the_variable_then_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = {"KERAS_BACKEND": "jax"}
    assert backends.choose("torch", both) == ("torch", "--backend asks for it")
    assert backends.choose(None, both) == ("jax", "KERAS_BACKEND asks for it")
    first = ("torch", "the first one installed; --backend or KERAS_BACKEND sets another")
    assert backends.choose(None, {}) == first
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "jax" or None)
    assert backends.choose(None, {})[0] == "jax"


def refusal(asked: str | None, environment: dict[str, str]) -> str:
    with pytest.raises(InputError) as caught:
        backends.choose(asked, environment)
    return str(caught.value)


def test_a_backend_that_is_unknown_or_not_installed_is_bad_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = "expected one of torch, tensorflow, jax. Received"
    assert refusal("mxnet", {}) == f"--backend: {known}: 'mxnet'"
    assert refusal(None, {"KERAS_BACKEND": "numpy"}) == f"KERAS_BACKEND: {known}: 'numpy'"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert refusal("jax", {}) == (
        "--backend: jax is not installed: python -m pip install 'ranparity[jax]'"
    )
    assert refusal(None, {}) == (
        "backend: none of torch, tensorflow, jax is installed: "
        "python -m pip install 'ranparity[torch]'"
    )


def test_a_process_that_has_keras_on_another_backend_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Keras:
        class backend:  # noqa: N801  # as in keras.backend.backend()
            @staticmethod
            def backend() -> str:
                return "jax"

    monkeypatch.setitem(sys.modules, "keras", Keras)  # type: ignore[arg-type]
    with pytest.raises(InputError) as caught:
        backends.start("torch")
    assert str(caught.value) == (
        "backend: this process uses jax already, and Keras cannot change that: "
        "start another process for torch"
    )


@pytest.mark.parametrize("many_steps", [False, True])
def test_memory_is_kept_where_many_steps_will_ask_for_it(
    many_steps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("ranparity.memory.keep", lambda: not asked.append("asked"))
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr("ranparity.training.backends.compiled.keep", lambda config: bool(config))
    switches = backends.loaded("jax").prepare(1, "float32", many_steps=many_steps)
    assert switches["freed_memory_kept"] == many_steps == bool(asked)
