"""The sessions that the README and the design promise, each with a description."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROMISED = {
    *("tests", "lint", "report", "endurance", "zoo", "directions", "statistics", "gpu"),
    *("train-torch", "train-tensorflow", "train-jax"),
}


def test_every_session_is_there_and_described() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nox", "-l"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line[2:] for line in done.stdout.splitlines() if line.startswith(("* ", "- "))]
    sessions = {name: description for name, _, description in (r.partition(" -> ") for r in rows)}
    assert set(sessions) >= PROMISED
    for name, description in sessions.items():
        assert description, f"{name} has no description"
        assert description.endswith(".")


def test_training_sessions_install_their_own_framework_alone() -> None:
    """Each is made from one row, whose backend is the one extra that it installs."""
    text = (ROOT / "noxfile.py").read_text()
    assert "install(session, training.backend)" in text
    for backend in ("torch", "tensorflow", "jax"):
        assert f'Training("{backend}"' in text
