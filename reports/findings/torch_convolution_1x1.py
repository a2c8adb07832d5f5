"""PyTorch's gradient of a 1x1 convolution with a stride is wrong on a CPU, or kills the process.

Expected: the gradient by the kernel of a 1x1 convolution with stride 2 is the sum, over all pixels
that it reads, of the products of maps and gradients.

Found: with channels_last maps of fewer channels than the processor's vectors hold numbers (8 with
AVX2, 16 with AVX-512), oneDNN writes past its workspace. So the gradient is right, or wrong by as
much as it is large, or the process hangs or dies, as it happens. This program keeps to AVX2, so
that all x86 processors show the same, and to one thread, with which the process dies each time.
Issue 6035 of uxlfoundation/oneDNN tells of it.

Seen with PyTorch 2.13.0.

It matters because the shortcuts of residual nets are such convolutions, and in narrow nets they
have so few channels. ranparity takes every second pixel first, and convolves without a stride.
"""

import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec

PROGRAM = """
import torch

torch.set_num_threads(1)
maps = torch.arange(2 * 4 * 32 * 32, dtype=torch.float32).remainder(7).reshape(2, 4, 32, 32)
maps = maps.contiguous(memory_format=torch.channels_last)
print(maps[:, :, ::2, ::2].sum((0, 2, 3)).tolist(), flush=True)
for _ in range(10):
    kernel = torch.ones(8, 4, 1, 1, requires_grad=True)
    torch.nn.functional.conv2d(maps, kernel, stride=2).sum().backward()
    print(kernel.grad[0, :, 0, 0].tolist())
"""

if find_spec("torch") is None:
    print("not installed: torch")
    raise SystemExit(2)

print(f"versions: torch {version('torch')}")
process = subprocess.Popen(  # noqa: S603  (this same Python, and the program above)
    [sys.executable, "-c", PROGRAM],
    env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    stdout=subprocess.PIPE,
    text=True,
)
with process:
    expected = process.stdout.readline().strip()
    try:
        found = process.communicate(timeout=30)[0].splitlines()
        if process.returncode < 0:
            found.append(f"killed by signal {-process.returncode}")
    except subprocess.TimeoutExpired:
        found = ["no end within 30 seconds"]
        process.kill()
if process.returncode > 0 or not expected:  # which says nothing of the gradient
    raise SystemExit(3)
wrong = [line for line in found if line != expected]
print(f"expected: {expected}, ten times")
print(f"found:    {wrong[-1] if wrong else expected}")
print("still there" if wrong else "gone")
raise SystemExit(int(bool(wrong)))
