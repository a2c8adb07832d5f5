from __future__ import annotations

import io
from dataclasses import replace

from ranparity.training import progress
from ranparity.training.logs import Epoch, Step

STEP = Step(7, "train", 2, 0.12345, 0.05, "abc", 0.25, 0.0)
EPOCH = Epoch("train", 2, 7, 0.5, 0.25, 0.9, 0.95, 12.34)
LINE = "epoch 2: train loss 0.5000, test loss 0.2500, test accuracy 90.00% (top 5: 95.00%), 12.3 s"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, *, quiet: bool = False) -> str:
    with progress.show(10, quiet=quiet, stream=stream) as show:
        show.step(STEP)
        show.epoch(EPOCH)
    return stream.getvalue()


def test_where_there_is_no_terminal_an_epoch_is_a_line() -> None:
    assert shown(io.StringIO()) == LINE + "\n"


def test_on_a_terminal_there_is_a_bar_with_the_loss_and_the_epochs_above_it() -> None:
    text = shown(Terminal())
    assert LINE in text
    assert "1/10" in text
    assert "loss=0.1234" in text or "loss=0.1235" in text
    assert "epoch=2" in text


def test_a_bar_goes_on_where_an_earlier_process_was() -> None:
    stream = Terminal()
    with progress.show(10, 6, quiet=False, stream=stream) as show:
        show.step(STEP)
    assert "7/10" in stream.getvalue()


def test_several_are_told_of_everything_and_ended() -> None:
    streams = [io.StringIO(), Terminal()]
    bars = [progress.show(10, quiet=False, stream=stream) for stream in streams]
    with progress.Several(*bars) as show:
        show.step(STEP)
        show.epoch(EPOCH)
    assert all(LINE in stream.getvalue() for stream in streams)
    assert "1/10" in streams[1].getvalue()


def test_quiet_shows_nothing() -> None:
    assert shown(Terminal(), quiet=True) == shown(io.StringIO(), quiet=True) == ""


def test_an_epoch_of_one_of_several_stages_says_which() -> None:
    assert progress.summary(replace(EPOCH, stage="features")) == f"features, {LINE}"
