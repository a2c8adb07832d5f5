"""Takes up a finished run: its record, and its network with the final weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ranparity import data
from ranparity.data.dataset import Dataset
from ranparity.errors import InputError
from ranparity.training import backends, directory, environment, precisions
from ranparity.training.trained import Trained, load, of_run
from ranparity.training.variables import Model


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished run.

    Attributes:
        folder: The run directory.
        run: Its `run.json`.
        trained: Its final weights.
    """

    folder: Path
    run: Mapping[str, Any]
    trained: Trained

    def dataset(self, *, show: bool) -> Dataset:
        """Read the run's data.

        Args:
            show: Show progress on stderr if that is a terminal and it takes long.

        Raises:
            InputError: They are not there, or not those that the run was trained on.
        """
        trained = self.trained
        size = trained.entry.input_shape[0]
        found = data.load(trained.data, image_size=size, partial=trained.partial, show=show)
        expected = self.run["data"].get("digest")
        if found.digest != expected:
            raise InputError(
                f"--data {trained.data}: expected the data of the run, of digest "
                f"{str(expected)[:12]}. Received: {found.digest[:12]}"
            )
        return found

    def begin(self, backend: str) -> tuple[Model, dict[str, Any]]:
        """Build the network with its weights.

        Args:
            backend: On what; one of `backends.NAMES`, whatever trained it.

        Returns:
            The Keras model, NHWC images to logits, and the environment for a record.

        Raises:
            InputError: The weights cannot be read, or are not the run's.
        """
        # A mixed precision is of training: what is drawn and measured is as wide as the weights.
        trained = replace(self.trained, precision=precisions.kept(self.trained.precision))
        module, switches = backends.start(backend, trained.precision)
        assert trained.classes is not None  # noqa: S101  (a run says it)
        model = load(trained, trained.classes, backend).finish()
        return model, environment.describe(backend, module.device(), switches)

    def describe(self, backend: str) -> dict[str, Any]:
        """Give what every record of a picture says of the run.

        Args:
            backend: On what the picture's figures were computed.
        """
        return {
            "model": self.trained.entry.name,
            "data": self.run["data"],
            "backend": backend,
            "trained_on": self.run["backend"],
            "precision": self.trained.precision,
            "weights_digest": self.trained.digest,
        }


def finished(folder: Path, data: str | None = None) -> Finished:
    """Give a run that has ended well.

    Args:
        folder: The run directory.
        data: Where this machine has the run's data, if not where the run had them.

    Raises:
        InputError: It is no run, or none that has ended well.
    """
    run = directory.read_run(folder)
    partial = isinstance(run.get("data"), dict) and bool(run["data"].get("partial"))
    trained = of_run(folder, data, partial=partial)
    if not isinstance(run.get("backend"), str):
        raise InputError(f"{folder / directory.RUN}: expected the record of a run: its backend")
    return Finished(folder, run, trained)
