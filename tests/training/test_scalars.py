from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.proto.event_pb2 import Event

from ranparity.training.logs import Epoch, Step
from ranparity.training.scalars import Scalars

STEP = Step(1, "train", 1, 0.75, 0.05, "abc", 0.25, 0.0)
EPOCH = Epoch("train", 1, 2, 0.5, 0.25, 0.875, 1.0, 12.0)


def events(folder: Path) -> Iterator[Any]:
    """Reads the record files back: length, its checksum, content, its checksum."""
    for path in sorted(folder.glob("events*")):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            yield Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]


def test_numbers_of_steps_and_tests_are_there_by_step(tmp_path: Path) -> None:
    with Scalars(tmp_path) as scalars:
        scalars.step(STEP)
        scalars.step(replace(STEP, step=2, loss=0.5))
        scalars.epoch(EPOCH)
    found = {
        (value.tag, event.step): value.simple_value
        for event in events(tmp_path)
        for value in event.summary.value
    }
    assert found == {
        ("train/loss", 1): 0.75,
        ("train/loss", 2): 0.5,
        ("train/learning_rate", 1): pytest.approx(0.05),
        ("train/learning_rate", 2): pytest.approx(0.05),
        ("train/epoch_loss", 2): 0.5,
        ("test/loss", 2): 0.25,
        ("test/accuracy", 2): 0.875,
        ("test/top5_accuracy", 2): 1,
    }


def test_a_run_that_goes_on_has_all_of_its_steps_once(tmp_path: Path) -> None:
    with Scalars(tmp_path) as scalars:
        scalars.step(replace(STEP, step=9))
    with Scalars(tmp_path, [STEP], [EPOCH]) as scalars:
        scalars.step(replace(STEP, step=2))
    steps = [
        event.step
        for event in events(tmp_path)
        for value in event.summary.value
        if value.tag in ("train/loss", "test/loss")
    ]
    assert steps == [1, 2, 2]
