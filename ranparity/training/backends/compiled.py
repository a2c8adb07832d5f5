"""What JAX has compiled, kept for the next process: compiling a net takes it ten times its tracing.

The folder is JAX's persistent compilation cache. JAX keys what is in it by the program, its own
version, XLA's flags and the kind of device; a CPU's instructions are not in that key, so each
processor has a folder of its own, and homes that machines share do no harm. It may be removed at
any time. JAX's own `JAX_COMPILATION_CACHE_DIR` sets another folder, and
`JAX_ENABLE_COMPILATION_CACHE=0` keeps nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

from filelock import FileLock

from ranparity.data.download import default_cache
from ranparity.training import environment

MOST_BYTES = 4 << 30  # what has not been used for the longest time goes first
LOCK, WHOLE, STAMP = ".lockfile", "-cache", "-atime"  # names of JAX's: jax/_src/lru_cache.py


def keep(config: Any) -> bool:
    """Let JAX keep what it compiles; says whether it does.

    Args:
        config: `jax.config`, before anything is compiled.
    """
    if config.jax_compilation_cache_dir is None:
        folder = default_cache() / "jax" / _key()
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            remove_halves(folder)
            config.update("jax_compilation_cache_dir", str(folder))
            config.update("jax_compilation_cache_max_size", MOST_BYTES)
    return bool(config.jax_enable_compilation_cache and config.jax_compilation_cache_dir)


def remove_halves(folder: Path) -> None:
    """Remove what a process was ended in the midst of writing: JAX would try it every time.

    JAX writes an entry first, and the time of its last use after it.
    """
    with FileLock(folder / LOCK):
        for entry in folder.glob(f"*{WHOLE}"):
            if not entry.with_name(entry.name.removesuffix(WHOLE) + STAMP).is_file():
                entry.unlink()


def _key() -> str:
    """A name for this machine's processor."""
    return hashlib.sha256(environment.processor().encode()).hexdigest()[:16]
