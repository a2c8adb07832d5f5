"""Devices that there are or not, with frameworks that say so: which is taken, and what is set."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from ranparity.errors import InputError
from ranparity.training import backends
from ranparity.training.backends import CPU, GPU, TPU


@pytest.mark.parametrize(
    ("asked", "there", "tf32"),
    [
        ("auto", (CPU,), False),
        ("auto", (GPU, CPU), True),
        ("auto", (TPU, CPU), False),
        ("cpu", (CPU,), False),
        ("gpu", (GPU, CPU), True),
        ("tpu", (TPU, CPU), False),
    ],
)
def test_a_device_that_there_is_can_be_asked_for(
    asked: str, there: tuple[str, ...], tf32: bool
) -> None:
    backends.check_device("jax", asked, there, tf32=tf32)


@pytest.mark.parametrize(
    ("asked", "there", "tf32", "message"),
    [
        (
            "gpu",
            (CPU,),
            False,
            "--device gpu: jax sees none here. There is cpu: ask for cpu, or leave --device out",
        ),
        (
            "tpu",
            (GPU, CPU),
            False,
            "--device tpu: jax sees none here. There is gpu and cpu: ask for gpu, or leave "
            "--device out",
        ),
        (
            "cpu",  # which the framework was told, and has not heeded
            (GPU, CPU),
            False,
            "--device cpu: jax sees none here. There is gpu and cpu: ask for gpu, or leave "
            "--device out",
        ),
        ("auto", (CPU,), True, "--tf32: expected a GPU, and jax computes on cpu: leave it out"),
        ("auto", (TPU, CPU), True, "--tf32: expected a GPU, and jax computes on tpu: leave it out"),
    ],
)
def test_one_that_there_is_not_is_a_line_with_those_that_there_are(
    asked: str, there: tuple[str, ...], tf32: bool, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        backends.check_device("jax", asked, there, tf32=tf32)
    assert str(caught.value) == message


class Switches:
    """A framework's switches, with what they were set to."""

    def __init__(self, **found: Any) -> None:
        self.set: dict[str, Any] = {}
        self.found = found

    def __getattr__(self, name: str) -> Any:
        if name in self.found:
            return self.found[name]

        def take(*values: Any) -> None:
            self.set[name] = values

        return take


@pytest.mark.parametrize(("asked", "tf32"), [("auto", False), ("auto", True), ("cpu", False)])
@pytest.mark.parametrize("there", [False, True])
def test_pytorch(asked: str, tf32: bool, there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    backend: Any = backends.loaded("torch")
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A100")
    threads = torch.get_num_threads()
    how = {"many_steps": True, "device": asked, "tf32": tf32}
    try:
        switches = backend.prepare(threads, "float32", **how)
        has_gpu = there and asked == "auto"
        assert backend.devices() == ((GPU, CPU) if has_gpu else (CPU,))
        assert backend.device() == ("A100" if has_gpu else "cpu")
        assert os.environ["KERAS_TORCH_DEVICE"] == ("cuda" if has_gpu else "cpu")
        assert switches["fp32_precision"] == ("tf32" if tf32 else "ieee")
        assert switches["reduced_precision_reduction"] is False
        matmul: Any = torch.backends.cuda.matmul
        assert not matmul.allow_bf16_reduced_precision_reduction
        assert not matmul.allow_fp16_reduced_precision_reduction
    finally:
        backend.prepare(threads, "float32", many_steps=True)


@pytest.mark.parametrize(("asked", "tf32"), [("auto", False), ("auto", True), ("cpu", False)])
@pytest.mark.parametrize("gpus", [[], [SimpleNamespace(name="/gpu:0")]])
def test_tensorflow(
    asked: str, tf32: bool, gpus: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    visible = list(gpus)
    experimental = Switches(
        get_device_details=lambda _: {"device_name": "A100"},
        tensor_float_32_execution_enabled=lambda: tf32,
    )
    config = SimpleNamespace(
        experimental=experimental,
        threading=Switches(),
        optimizer=Switches(get_experimental_options=dict),
        list_physical_devices=lambda *_: gpus,
        get_visible_devices=lambda _: list(visible),
        set_visible_devices=lambda devices, kind: visible.clear() if kind == "GPU" else devices,
    )
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config))  # type: ignore[arg-type]
    backend: Any = backends.loaded("tensorflow")
    backend.prepare(2, "float32", many_steps=True, device=asked, tf32=tf32)
    has_gpu = bool(gpus) and asked == "auto"
    assert backend.devices() == ((GPU, CPU) if has_gpu else (CPU,))
    assert backend.device() == ("A100" if has_gpu else "cpu")
    assert experimental.set["enable_tensor_float_32_execution"] == (tf32,)
    assert "enable_op_determinism" in experimental.set


@pytest.mark.parametrize(("asked", "tf32"), [("auto", False), ("auto", True), ("cpu", False)])
@pytest.mark.parametrize(
    ("platform", "kind"), [("cpu", CPU), ("gpu", GPU), ("cuda", GPU), ("rocm", GPU), ("tpu", TPU)]
)
def test_jax(
    asked: str, tf32: bool, platform: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, Any] = {}

    def devices() -> list[Any]:
        platforms = found.get("jax_platforms", platform)
        return [SimpleNamespace(platform=platforms, device_kind=f"a {platforms}")]

    class Config:
        def update(self, name: str, value: Any) -> None:
            found[name] = value

        def __getattr__(self, name: str) -> Any:
            return found.get(name)

    jax: Any = SimpleNamespace(
        config=Config(), devices=devices, local_device_count=lambda: len(devices())
    )
    monkeypatch.setitem(sys.modules, "jax", jax)
    monkeypatch.setattr("ranparity.training.backends.compiled.keep", lambda _: False)
    monkeypatch.setattr("ranparity.memory.keep", lambda: False)
    monkeypatch.setenv("XLA_FLAGS", "")
    backend: Any = backends.loaded("jax")
    backend.prepare(2, "float32", many_steps=True, device=asked, tf32=tf32)
    taken = CPU if asked == "cpu" else kind
    assert backend.devices() == ((CPU,) if taken == CPU else (taken, CPU))
    assert backend.device() == f"a {'cpu' if asked == 'cpu' else platform}"
    assert found["jax_default_matmul_precision"] == ("tensorfloat32" if tf32 else "highest")
