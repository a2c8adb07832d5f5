"""What a run ran on, for its record."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent.parent


def describe(backend: str, device: str, switches: dict[str, Any]) -> dict[str, Any]:
    """Give versions, machine, switches and the digest of this package's source.

    Args:
        backend: Name of the framework's distribution, which is the backend's name.
        device: What computed.
        switches: What the backend has set, with the number of threads.
    """
    return {
        "python": platform.python_version(),
        "ranparity": _version("ranparity"),
        "keras": _version("keras"),
        "framework": f"{backend} {_version(backend)}",
        "numpy": _version("numpy"),
        "platform": " ".join((platform.system(), platform.machine(), *platform.libc_ver())),
        "processor": processor(),
        "device": device,
        "threads": switches["threads"],
        "switches": switches,
        "source_digest": source_digest(_PACKAGE),
    }


def processor(information: Path = Path("/proc/cpuinfo")) -> str:
    """Give the processor's model name, from Linux's list of processors where there is one."""
    if information.is_file():
        for line in information.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def source_digest(folder: Path) -> str:
    """SHA-256 of all Python files in a folder: their paths in it, in order, and their bytes."""
    digest = hashlib.sha256()
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")}
    for name in sorted(files):
        content = files[name].read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _version(distribution: str) -> str:
    """Give an installed version; from a checkout that is not installed there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed as a package"
