"""Runs scripts of findings one after the other in this process, and prints how each has ended.

What they import stays imported, which is most of the time that each takes alone. With --without
NAME,... these modules cannot be imported.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import runpy
import sys
import traceback
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--without", default="")
    parser.add_argument("paths", nargs="+")
    args = parser.parse_args(arguments)
    for name in filter(None, args.without.split(",")):
        sys.modules[name] = None  # type: ignore[assignment]  # as Python has it for such a one
    for path in args.paths:
        out, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            status = ended(path)
        row = {"status": status, "stdout": out.getvalue(), "stderr": errors.getvalue()}
        print(json.dumps(row), flush=True)


def ended(path: str) -> int:
    """The status that a process of its own would have ended with."""
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # of any kind: Python prints it and ends with 1
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main(sys.argv[1:])
