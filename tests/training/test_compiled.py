"""What JAX compiles is kept, used again with the same bits, and safe to lose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ranparity.training.backends import compiled

PROGRAM = """
import json
from ranparity.training import backends
backend, switches = backends.start("jax")
import keras
import numpy as np
from ranparity.data import digest
from ranparity.training.update import Update
keras.utils.set_random_seed(1)
layers = [keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(), keras.layers.Flatten()]
model = keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.Dense(3)])
update = Update("caffe-nesterov", 0.9, 1e-4)
trainer = backend.trainer(model, update)
images = np.random.Generator(np.random.Philox(0)).standard_normal((4, 8, 8, 3), np.float32)
targets = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
for step in range(3):
    trainer.step(images, targets, update.scalars(step, 0.1))
weights = digest.of_named_arrays(trainer.weights())
print(json.dumps({"kept": switches["compilation_cache"], "digest": weights}))
"""


class Config:
    """Of JAX, before anybody has set anything."""

    jax_compilation_cache_dir: str | None = None
    jax_compilation_cache_max_size = -1
    jax_enable_compilation_cache = True

    def update(self, name: str, value: Any) -> None:
        assert hasattr(self, name)
        setattr(self, name, value)


def trained(folder: Path, **variables: str) -> dict[str, Any]:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("JAX_")},
        "RANPARITY_DATA": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert "Error" not in done.stderr, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def entries(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob(f"*{compiled.WHOLE}")}


def test_a_second_process_uses_what_the_first_has_compiled_with_the_same_bits(
    tmp_path: Path,
) -> None:
    first = trained(tmp_path)
    steps = [name for name in entries(tmp_path) if "step" in name]
    assert steps, entries(tmp_path)
    assert first["kept"] is True
    kept = entries(tmp_path)
    assert trained(tmp_path) == first
    assert entries(tmp_path) == kept, "compiled again"
    off = trained(tmp_path / "off", JAX_ENABLE_COMPILATION_CACHE="0")
    assert off == {"kept": False, "digest": first["digest"]}
    assert not entries(tmp_path / "off")


def test_what_was_not_written_to_its_end_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANPARITY_DATA", str(tmp_path))
    config = Config()
    assert compiled.keep(config)
    folder = Path(str(config.jax_compilation_cache_dir))
    assert folder.parent == tmp_path / "jax"
    (folder / f"half{compiled.WHOLE}").write_bytes(b"x")
    (folder / f"whole{compiled.WHOLE}").write_bytes(b"x")
    (folder / f"whole{compiled.STAMP}").write_bytes(b"x")
    compiled.remove_halves(folder)
    assert entries(folder) == {f"whole{compiled.WHOLE}"}


def test_a_folder_of_the_users_own_is_kept_to(tmp_path: Path) -> None:
    config = Config()
    config.jax_compilation_cache_dir = str(tmp_path)
    assert compiled.keep(config)
    assert config.jax_compilation_cache_dir == str(tmp_path)
    assert config.jax_compilation_cache_max_size == -1


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RANPARITY_DATA", str(tmp_path / "file"))
    assert not compiled.keep(Config())


def test_processors_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANPARITY_DATA", str(tmp_path))
    folders = set()
    for processor in ("one", "another", "one"):
        monkeypatch.setattr(compiled.environment, "processor", lambda name=processor: name)
        config = Config()
        compiled.keep(config)
        folders.add(config.jax_compilation_cache_dir)
    assert len(folders) == 2
