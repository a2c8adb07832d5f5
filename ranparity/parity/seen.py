"""The process of a backend that says what devices it sees: a line of JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from ranparity.training import backends
from ranparity.workers import serve


def main(arguments: Sequence[str]) -> None:
    """Ask the backend of KERAS_BACKEND."""
    del arguments
    name, _ = backends.choose(None, os.environ)
    backend, _ = backends.start(name)
    print(json.dumps({"kinds": backend.devices(), "device": backend.device()}), flush=True)


if __name__ == "__main__":
    serve(main)
