"""The project's sessions: `nox -l` lists them, `nox -s NAME -- ARGUMENTS` runs one.

Every session installs what it needs, at the versions that constraints.txt pins.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import nox

CONSTRAINTS = Path(__file__).with_name("constraints.txt")
PROTO = "ranparity/caffe/caffe.proto"

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["lint", "tests"]
nox.options.reuse_existing_virtualenvs = True


CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
BENCHED = ("attention56", "attention92-cifar")


@dataclasses.dataclass(frozen=True)
class Training:
    """A session that trains on one backend with only that framework installed."""

    backend: str
    title: str


TRAININGS = (
    Training("torch", "PyTorch"),
    Training("tensorflow", "TensorFlow"),
    Training("jax", "JAX"),
)


def install(session: nox.Session, extras: str) -> None:
    """Installs the project with some extras; the pins also hold for what builds it."""
    session.env["PIP_CONSTRAINT"] = os.fspath(CONSTRAINTS)
    session.install("-e", f".[{extras}]")


@nox.session
def tests(session: nox.Session) -> None:
    """The whole test suite, on PyTorch, TensorFlow and JAX; arguments go to pytest."""
    install(session, "all,dev")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff's checks and formatting, and strict mypy."""
    install(session, "all,dev")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")


@nox.session
def report(session: nox.Session) -> None:
    """Every check and a short identical training on all three backends, into reports/."""
    install(session, "all")
    session.run("ranparity", "report", "--collect", *session.posargs)


@nox.session
def endurance(session: nox.Session) -> None:
    """Kills and resumes training runs 20 times a backend, into reports/data; half an hour."""
    install(session, "all")
    session.run("python", "-m", "ranparity.parity.endurance", *session.posargs)


@nox.session
def zoo(session: nox.Session) -> None:
    """Runs every net on every backend and trains the ablations, into reports/data; an hour."""
    install(session, "all")
    session.run("python", "-m", "ranparity.parity.zoo", *session.posargs)


@nox.session
def directions(session: nox.Session) -> None:
    """Tries claims of direction on digits, and with -- --cifar FOLDER on CIFAR-10; 50 minutes."""
    install(session, "all")
    session.run("python", "-m", "ranparity.parity.directions", *session.posargs)


@nox.session
def statistics(session: nox.Session) -> None:
    """Compares final accuracies over twelve seeds a backend, into reports/data; 15 minutes."""
    install(session, "all")
    record = [] if session.posargs else ["--record", "reports/data"]
    session.run("ranparity", "statistics", *record, *session.posargs)


@nox.session
def devices(session: nox.Session) -> None:
    """Runs on several devices and processes, by each framework's own launcher; ten minutes."""
    install(session, "all,dev")
    session.run("pytest", "-n0", *(session.posargs or ["tests/training/on_devices.py"]))


@nox.session
def ray(session: nox.Session) -> None:
    """Carries many runs out on a Ray cluster of this machine, one killed; three minutes."""
    install(session, "all,dev,ray")
    session.run("pytest", "-n0", *(session.posargs or ["tests/matrix/on_ray.py"]))


@nox.session
def ladder(session: nox.Session) -> None:
    """Judges the judge of the ladder: clean comparisons and planted faults; 45 minutes."""
    install(session, "all")
    session.run("python", "-m", "ranparity.parity.ladder.session", *session.posargs)


@nox.session
def findings(session: nox.Session) -> None:
    """Asks which defects of frameworks are still there, into reports/data; two minutes."""
    install(session, "all")
    session.run("python", "-m", "ranparity.parity.findings", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Times steps beside plain Keras and native PyTorch, into reports/data; half an hour."""
    install(session, "all")
    out = [] if session.posargs else ["--out", "reports/data/bench.json", *BENCHED]
    session.run("ranparity", "bench", *out, *session.posargs)


@nox.session
def operations(session: nox.Session) -> None:
    """Times each convolution beside its matrix product, into reports/data; four minutes."""
    install(session, "all")
    out = [] if session.posargs else ["--out", "reports/data/operations.json", *BENCHED]
    session.run("ranparity", "bench", "--operations", *out, *session.posargs)


@nox.session
def growth(session: nox.Session) -> None:
    """Times steps as the batch, the depth and the width grow, into reports/data; half an hour."""
    install(session, "all")
    out = [] if session.posargs else ["--out", "reports/data/growth.json"]
    session.run("ranparity", "bench", "--growth", *out, *session.posargs)


@nox.session
def gpu(session: nox.Session) -> None:
    """Runs levels 1 to 3 and a short training on each framework that sees a GPU; fails without."""
    install(session, "all")
    session.run("python", "-m", "ranparity.parity.gpu", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Opens the report's page in headless Chromium: filter, sort, links, accessibility, print."""
    install(session, "all,dev,browser")
    if not any(map(shutil.which, CHROMIUM)) and "RANPARITY_CHROMIUM" not in os.environ:
        session.run("playwright", "install", "chromium")
    session.run("pytest", "-n0", *(session.posargs or ["tests/browser/page.py"]))


@nox.session
def fuzz(session: nox.Session) -> None:
    """Gives any bytes to the readers of Caffe's files, led by coverage; ten minutes."""
    install(session, "fuzz")
    session.run("python", "tests/fuzz/run.py", *session.posargs)


@nox.session(name="second-opinion")
def second_opinion(session: nox.Session) -> None:
    """Asks OpenCV and every backend about nets of prototxts, blob by blob; half an hour."""
    install(session, "all")
    session.run("python", "-m", "ranparity.parity.ladder.opinions", *session.posargs)


@nox.session(name="ladder-nets")
def ladder_nets(session: nox.Session) -> None:
    """Runs the ladder on the published nets and those that are trained here; 40 minutes."""
    install(session, "all")
    session.run("python", "-m", "ranparity.parity.ladder.nets", *session.posargs)


def _train(training: Training) -> None:
    def train(session: nox.Session) -> None:
        install(session, training.backend)
        session.run(
            "python",
            "-m",
            "ranparity.run",
            *session.posargs,
            env={"KERAS_BACKEND": training.backend},
        )

    train.__doc__ = f"""Trains on {training.title}; arguments go to `python -m ranparity.run`."""
    nox.session(name=f"train-{training.backend}")(train)


for _training in TRAININGS:
    _train(_training)


@nox.session
def protoc(session: nox.Session) -> None:
    """Compiles caffe.proto to caffe_pb2.py and caffe_pb2.pyi."""
    session.env["PIP_CONSTRAINT"] = os.fspath(CONSTRAINTS)
    session.install("grpcio-tools")
    folder = os.fspath(Path(PROTO).parent)
    session.run(
        "python",
        "-m",
        "grpc_tools.protoc",
        f"-I{folder}",
        f"--python_out={folder}",
        f"--pyi_out={folder}",
        PROTO,
    )


@nox.session
def prototxts(session: nox.Session) -> None:
    """Writes every file of prototxt/ again, from the Keras models."""
    install(session, "torch")
    session.run(
        "python",
        "-c",
        "from ranparity.cli import main; from ranparity.models.zoo import ENTRIES; "
        "[main(['export', name]) for name in ENTRIES]",
    )
