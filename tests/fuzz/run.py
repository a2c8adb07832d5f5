"""Coverage-guided fuzzing of a reader, by Atheris: `python tests/fuzz/run.py text --seconds 600`.

What is new and reaches new code is kept in the corpus's folder beside the committed one; what fails
is written beside it and named.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).with_name("corpus")
LONGEST = 2**13  # bytes: longer ones are tested by themselves, and this many are tried often
INPUT = 'input: "data" input_shape { dim: 1 dim: 6 dim: 5 dim: 7 }\n'
SECONDS, MEGABYTES = 1, 1024  # that one input may take


def fuzz(target: str) -> None:
    """Runs in a process of its own, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["ranparity", "google.protobuf.text_format"]):
        from tests.fuzz.targets import TARGETS

    function = TARGETS[target]
    atheris.Setup(sys.argv, lambda content: function(content) and None)
    atheris.Fuzz()


def begun(target: str, folder: Path) -> Path:
    """Fills a folder with small files that have something of everything."""
    from ranparity.caffe import caffemodel
    from tests.models import imported

    folder.mkdir(parents=True, exist_ok=True)
    if target == "text":
        for number, params in enumerate(imported.LAYERS.values()):
            layer = f'layer {{ name: "a" bottom: "data" top: "a" {params} }}'
            (folder / f"{number}").write_text(f"{INPUT}{layer}", encoding="utf-8")
        return folder
    blobs = (caffemodel.Blob(np.arange(6, dtype=np.float32), (2, 3)),) * 2
    layers = [caffemodel.LayerBlobs(name, "InnerProduct", blobs) for name in "ab"]
    caffemodel.write(folder / "new", "net", layers)
    return folder


def words(path: Path) -> Path:
    """Writes libFuzzer's dictionary: the words of the schema, and the types that have a rule."""
    from ranparity.caffe import caffe_pb2
    from ranparity.caffe.rules import RULES

    schema = caffe_pb2.DESCRIPTOR.message_types_by_name.values()
    fields = {field.name for message in schema for field in message.fields}
    numbers = {value for message in schema for value in message.enum_values_by_name}
    found = [*sorted(fields | numbers), *(f'\\"{name}\\"' for name in sorted(RULES))]
    path.write_text("".join(f'"{word}"\n' for word in found), encoding="utf-8")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=["text", "binary"])
    parser.add_argument("--seconds", type=int, default=300, help="for each (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="default: %(default)s")
    args = parser.parse_args()
    failed = 0
    for target in args.targets:
        found, kept = args.out / target / "failures", args.out / target / "corpus"
        found.mkdir(parents=True, exist_ok=True)
        kept.mkdir(parents=True, exist_ok=True)
        limits = [
            f"-max_total_time={args.seconds}",
            f"-max_len={LONGEST}",
            f"-timeout={SECONDS}",
            f"-rss_limit_mb={MEGABYTES}",
            f"-artifact_prefix={found}/",
            "-print_final_stats=1",
        ]
        if target == "text":
            limits.append(f"-dict={words(args.out / target / 'words')}")
        seeds = [str(kept), str(CORPUS / target), str(begun(target, args.out / target / "seeds"))]
        done = subprocess.run(
            [sys.executable, __file__, "--one", target, *limits, *seeds],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd=ROOT,
            check=False,
        )
        log = args.out / target / "log.txt"
        log.write_text(done.stderr, encoding="utf-8")
        counts = dict(re.findall(r"stat::(\w+):\s+(\d+)", done.stderr))
        covered = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", done.stderr)
        print(
            f"{target}: {int(counts.get('number_of_executed_units', 0)):,} executions, slowest "
            f"{counts.get('slowest_unit_time_sec', '?')} s, peak memory "
            f"{counts.get('peak_rss_mb', '?')} MB, (edges, features, inputs kept) "
            f"{covered[-1] if covered else 'unknown'}; {len(list(found.iterdir()))} failures in "
            f"{found}; log: {log}"
        )
        failed += done.returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:2] == ["--one"]:
        name = sys.argv.pop(2)
        del sys.argv[1]
        fuzz(name)
    else:
        sys.exit(main())
