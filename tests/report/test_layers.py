from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest

from ranparity.models import zoo
from ranparity.report import layer_rho, layers, records
from ranparity.report.document import Figure, Paragraph, Table
from ranparity.report.ladder_record import LADDER
from ranparity.report.layer_rho import LayerRho
from tests.report import ladder_samples
from tests.report.test_structure import row, words


def parts(name: str) -> tuple[str, Table]:
    origin, table = layers.attachment(zoo.entry(name)).blocks
    assert isinstance(origin, Paragraph)
    assert isinstance(table, Table)
    return words(origin.text), table


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_a_table_has_every_layer_and_the_integers_of_the_source(name: str) -> None:
    integers = zoo.entry(name).integers
    _, table = parts(name)
    assert len(table.rows) == 1 + integers.layers + 1  # the input, the layers, the totals
    total = [words(cell.text) for cell in table.rows[-1]]
    assert total[0] == "Total"
    assert total[1].startswith(f"{integers.layers:,} layers, ")
    assert total[4:6] == [f"{integers.trainable_parameters:,}", f"{integers.macs:,}"]


def test_a_row_says_what_a_layer_is() -> None:
    _, table = parts("attention56")
    assert [words(cell.text) for cell in row(table, "conv1")] == [
        "conv1",
        "Convolution",
        "1x64x112x112",
        "1x112x112x64",
        "9,408",
        "118,013,952",
        "kernel 7x7, stride 2x2, pad 3x3",
        "data",
    ]
    classifier = [words(cell.text) for cell in row(table, "classifier")]
    assert classifier[2:5] == ["1x1000", "1x1000", "2,049,000"]
    assert classifier[6] == "bias, axis 1"


def test_inputs_are_in_the_order_of_the_bottoms() -> None:
    _, table = parts("attention56")
    sums = [cells for cells in table.rows if words(cells[1].text) == "Eltwise"]
    assert all(len(words(cells[-1].text).split(", ")) == 2 for cells in sums)


def test_the_origin_is_told_with_the_file_and_its_errata() -> None:
    assert parts("attention56")[0] == (
        "Of prototxt/Attention-56.prototxt, which is original: it says exactly what the authors' "
        "Attention-56-deploy.prototxt does."
    )
    assert parts("attentionnext92")[0].endswith(
        "AttentionNeXt-92-deploy.prototxt does, but for the repaired erratum "
        "classifier-reads-ave_pool."
    )
    assert parts("attention56-cifar")[0].endswith(
        "which is derived: the authors published no prototxt of this net."
    )


def test_attributes_that_go_without_saying_are_left_out_and_no_others() -> None:
    usual = {"num_output": 64, "stride": "1x1", "pad": "0x0", "group": 1, "bias_term": False}
    assert list(layers.attributes(usual)) == []
    unusual = {"stride": "1x2", "pad": "1x1", "group": 32, "bias_term": True, "kernel": "3x3"}
    assert list(layers.attributes(unusual)) == [
        "stride 1x2",
        "pad 1x1",
        "group 32",
        "bias",
        "kernel 3x3",
    ]


def measured(**far: float | None) -> LayerRho:
    content = ladder_samples.ladder(
        ladder_samples.layered(1, "torch", **far), ladder_samples.layered(2, "jax", cls=None)
    )
    found = layer_rho.of(records.evidence({LADDER: content}), ladder_samples.CASE.model)
    assert found is not None
    return found


def test_rho_stands_beside_each_layer_and_what_differs_is_marked() -> None:
    entry = zoo.entry(ladder_samples.CASE.model)
    far = measured(AttentionB_1=5e4, conv1=None)
    attachment = layers.attachment(entry, far)
    assert attachment.within
    (table,) = [block for block in attachment.blocks if isinstance(block, Table)]
    titles = [(column.group, words(column.title)) for column in table.columns]
    place = titles.index(("", "Verdict"))
    assert titles[place + 1 : place + 3] == [("rho, level 1", "torch"), ("rho, level 2", "jax")]

    def shown(layer: str) -> list[tuple[str, str]]:
        found = row(table, layer)[place : place + 3]
        return [(words(cell.text), cell.tone) for cell in found]

    assert shown("AttentionB_1") == [("✗ differs", "fail"), ("✗ 5e+04", "fail"), ("0.5", "")]
    assert shown("conv1") == [("✓ rounding", "pass"), ("", ""), ("0.5", "")]
    assert shown("data") == shown("Total") == [("", "")] * 3
    assert len(table.rows) == 1 + len(far.layers) + 1
    assert any(isinstance(block, Figure) for block in attachment.blocks)


def test_a_record_of_other_layers_is_not_shown_and_said_to_be_old() -> None:
    entry = zoo.entry(ladder_samples.CASE.model)
    found = measured()
    other = dataclasses.replace(found, layers=(*found.layers[:-1], "renamed"))
    _, warning, table = layers.attachment(entry, other).blocks
    assert isinstance(warning, Paragraph)
    assert (warning.tone, words(warning.text)[:46]) == (
        "warning",
        "The ladder's record is of other layers than th",
    )
    assert isinstance(table, Table)
    assert "Verdict" not in [words(column.title) for column in table.columns]


def test_no_two_nets_share_a_file() -> None:
    paths = sorted(layers.attachment(entry).path for entry in zoo.ENTRIES.values())
    assert all(one != other for one, other in pairwise(paths))
