from __future__ import annotations

from ranparity.report import parting_curves
from ranparity.report.document import Figure
from ranparity.report.parting import Pair, pair
from tests.report.test_parting import losing

ONE, NEAR, FAR = losing(3, 2, 1), losing(3, 2.01, 1.02), losing(3, 2.01, 1.9)
TWIN = losing(3, 2.001, 1.002)


def draw(of: Pair) -> Figure:
    return parting_curves.draw("f", of, "one and other")


def test_the_band_the_twins_and_the_distance_are_drawn() -> None:
    figure = draw(pair(ONE, NEAR, [TWIN]))
    for words in ("one and other", "twins from their runs", "30 times the twins' largest so far"):
        assert f">{words}<" in figure.svg
    assert "the first step beyond" not in figure.svg
    assert figure.alt == (
        "Distance of the losses of one and other over 3 steps, the distances of 1 twin from their "
        "runs, and the band of 30 times the largest of these so far: beyond it nowhere."
    )


def test_the_first_step_beyond_is_marked_and_told() -> None:
    figure = draw(pair(ONE, FAR, [TWIN]))
    assert figure.alt.endswith("beyond it from step 3 on.")
    assert ">the first step beyond<" in figure.svg


def test_the_same_losses_give_the_same_bytes_and_others_do_not() -> None:
    assert draw(pair(ONE, NEAR, [TWIN])) == draw(pair(ONE, NEAR, [TWIN]))
    assert draw(pair(ONE, NEAR, [TWIN])).svg != draw(pair(ONE, FAR, [TWIN])).svg
    more = draw(pair(ONE, NEAR, [TWIN, losing(3, 2.003, 1)]))
    assert more.svg != draw(pair(ONE, NEAR, [TWIN])).svg


def test_runs_without_any_distance_are_drawn() -> None:
    assert "one and other" not in draw(pair(ONE, ONE, [ONE])).svg.partition("</title>")[2]
    huge = draw(pair(losing(3), losing(1.7e308), [losing(-1.7e308)]))
    assert huge.svg.startswith("<?xml")
