"""Tables of the rules that move, copy, crop or count elements."""

from __future__ import annotations

import pytest

from tests.caffe.rules.tables import MAP, Case, Refusal, facts_hold, label, refusal_holds


def reshape(dims: str, more: str = "") -> str:
    return f"reshape_param {{ shape {{ {' '.join(f'dim: {d}' for d in dims.split())} }} {more} }}"


CASES = [
    Case("Reshape", reshape("0 -1"), [MAP], (2, 396), attributes={"shape": "396"}),
    Case("Reshape", reshape("0 2 2 -1"), [MAP], (2, 2, 2, 99), attributes={"shape": "2x2x99"}),
    Case(
        "Reshape",
        reshape("2 -1", "axis: 1 num_axes: 1"),
        [MAP],
        (2, 2, 2, 9, 11),
        attributes={"shape": "2x2x9x11"},
    ),
    Case(
        "Reshape",
        reshape("1", "axis: -1 num_axes: 0"),
        [MAP],
        (2, 4, 9, 11, 1),
        attributes={"shape": "4x9x11x1"},
    ),
    Case("Reshape", reshape("0 99", "axis: 1"), [MAP], (2, 4, 99), attributes={"shape": "4x99"}),
    Case(
        "Permute",
        "permute_param { order: 0 order: 2 order: 3 order: 1 }",
        [MAP],
        (2, 9, 11, 4),
        attributes={"order": "0x2x3x1"},
    ),
    Case(
        "Permute",
        "permute_param { order: 1 }",
        [MAP],
        (4, 2, 9, 11),
        attributes={"order": "1x0x2x3"},
    ),
    Case(
        "Tile", "tile_param { tiles: 3 }", [MAP], (2, 12, 9, 11), attributes={"axis": 1, "tiles": 3}
    ),
    Case(
        "Tile",
        "tile_param { axis: -1 tiles: 2 }",
        [MAP],
        (2, 4, 9, 22),
        attributes={"axis": 3, "tiles": 2},
    ),
    Case("Split", "", [MAP], [MAP, MAP, MAP]),
    Case("Silence", "", [MAP, (3,)], []),
    Case("ArgMax", "", [MAP], (2, 1, 1, 1), attributes={"top_k": 1, "out_max_val": False}),
    Case(
        "ArgMax",
        "argmax_param { top_k: 5 out_max_val: true }",
        [(2, 10)],
        (2, 2, 5),
        attributes={"top_k": 5, "out_max_val": True},
    ),
    Case(
        "ArgMax",
        "argmax_param { axis: 1 top_k: 2 }",
        [MAP],
        (2, 2, 9, 11),
        attributes={"top_k": 2, "out_max_val": False, "axis": 1},
    ),
    Case("Crop", "", [MAP, (2, 7, 5, 6)], (2, 4, 5, 6), attributes={"axis": 2, "offset": "0x0"}),
    Case(
        "Crop",
        "crop_param { offset: 4 }",
        [MAP, (2, 7, 5, 6)],
        (2, 4, 5, 6),
        attributes={"axis": 2, "offset": "4x4"},
    ),
    Case(
        "Crop",
        "crop_param { axis: 1 offset: 1 offset: 0 offset: 5 }",
        [MAP, (1, 3, 9, 6)],
        (2, 3, 9, 6),
        attributes={"axis": 1, "offset": "1x0x5"},
    ),
    Case(
        "ShuffleChannel", "shuffle_channel_param { group: 2 }", [MAP], MAP, attributes={"group": 2}
    ),
    Case("Axpy", "", [(2, 4, 1, 1), MAP, MAP], MAP),
    Case("Axpy", "", [(2, 4), MAP, MAP], MAP),
    Case(
        "PriorBox",
        "prior_box_param { min_size: 30 max_size: 60 aspect_ratio: 2 aspect_ratio: 1 clip: true }",
        [(1, 512, 38, 38), (1, 3, 300, 300)],
        (1, 2, 38 * 38 * 4 * 4),
        attributes={"priors": 4, "flip": True, "clip": True, "offset": 0.5},
    ),
    Case(
        "PriorBox",
        "prior_box_param { min_size: 30 min_size: 40 aspect_ratio: 2 aspect_ratio: 3 flip: false }",
        [(1, 8, 3, 5), (1, 3, 30, 30)],
        (1, 2, 3 * 5 * 6 * 4),
        attributes={"priors": 6, "flip": False, "clip": False, "offset": 0.5},
    ),
    Case(
        "Embed",
        "embed_param { num_output: 8 input_dim: 50 }",
        [(3, 2)],
        (3, 2, 8),
        {"weight": (50, 8), "bias": (8,)},
        attributes={"num_output": 8, "bias_term": True},
    ),
    Case(
        "Embed",
        "embed_param { num_output: 8 input_dim: 50 bias_term: false }",
        [(3,)],
        (3, 8),
        {"weight": (50, 8)},
        attributes={"num_output": 8, "bias_term": False},
    ),
]
TWO = 'expected 1 bottom, found "a", "b"'
REFUSALS = [
    *(
        Refusal(type_, params, [MAP, MAP], TWO)
        for type_, params in (
            ("Reshape", reshape("0 -1")),
            ("Permute", ""),
            ("Tile", "tile_param { tiles: 2 }"),
            ("ArgMax", ""),
            ("ShuffleChannel", ""),
            ("Embed", "embed_param { num_output: 8 input_dim: 50 }"),
            ("Split", ""),
        )
    ),
    Refusal(
        "Reshape",
        reshape("-1 -1"),
        [MAP],
        "expected dimensions of 0 or more and one -1 at most, found [-1, -1]",
    ),
    Refusal(
        "Reshape",
        reshape("-2"),
        [MAP],
        "expected dimensions of 0 or more and one -1 at most, found [-2]",
    ),
    Refusal(
        "Reshape", reshape("5 -1"), [MAP], "expected dimensions that divide 792, found [5, -1]"
    ),
    Refusal("Reshape", reshape("2 4"), [MAP], "expected 792 elements, as in 2x4x9x11; found 2x4"),
    Refusal(
        "Reshape", reshape("0 0 0 0 0"), [MAP], "expected an axis to copy for dim 5, found none"
    ),
    Refusal(
        "Reshape",
        reshape("-1", "axis: 5"),
        [MAP],
        "expected axis and num_axes within 4 axes, found axis 5 and num_axes -1",
    ),
    Refusal(
        "Reshape",
        reshape("-1", "num_axes: 5"),
        [MAP],
        "expected axis and num_axes within 4 axes, found axis 0 and num_axes 5",
    ),
    Refusal(
        "Reshape",
        reshape("-1", "num_axes: -2"),
        [MAP],
        "expected axis and num_axes within 4 axes, found axis 0 and num_axes -2",
    ),
    Refusal(
        "Permute",
        "permute_param { order: 4 }",
        [MAP],
        "expected an order of the 4 axes, each once; found [4]",
    ),
    Refusal(
        "Permute",
        "permute_param { order: 1 order: 1 }",
        [MAP],
        "expected an order of the 4 axes, each once; found [1, 1]",
    ),
    Refusal("Tile", "", [MAP], "expected a number of tiles of at least 1, found 0"),
    Refusal(
        "Tile",
        "tile_param { axis: 4 tiles: 1 }",
        [MAP],
        "expected an axis of a blob with 4 axes, found 4",
    ),
    Refusal("Silence", "", [], "expected at least 1 bottom, found none", tops=0),
    Refusal("Silence", "", [MAP], "expected 0 tops, found 1"),
    Refusal(
        "ArgMax", "argmax_param { top_k: 397 }", [MAP], "expected a top_k of at most 396, found 397"
    ),
    Refusal(
        "ArgMax",
        "argmax_param { top_k: 5 axis: 1 }",
        [MAP],
        "expected a top_k of at most 4, found 5",
    ),
    Refusal(
        "ArgMax", "argmax_param { top_k: 0 }", [MAP], "expected a top_k of at least 1, found 0"
    ),
    Refusal("Crop", "", [MAP], 'expected 2 bottoms, found "a"'),
    Refusal(
        "Crop",
        "",
        [MAP, (2, 4, 9)],
        "expected bottoms of equally many axes, found 2x4x9x11 and 2x4x9",
    ),
    Refusal(
        "Crop",
        "crop_param { axis: 1 offset: 1 offset: 2 }",
        [MAP, MAP],
        "expected no offset, 1 or 3; found 2",
    ),
    Refusal(
        "Crop",
        "crop_param { offset: 1 }",
        [MAP, MAP],
        "expected 9 elements from offset 1 on in axis 2, found 9 in all",
    ),
    Refusal(
        "ShuffleChannel",
        "shuffle_channel_param { group: 3 }",
        [MAP],
        "expected channels divisible by group 3, found 4",
    ),
    Refusal("ShuffleChannel", "", [MAP], "expected a group of at least 1, found 0"),
    Refusal("Axpy", "", [MAP, MAP], 'expected 3 bottoms, found "a", "b"'),
    Refusal(
        "Axpy",
        "",
        [(2, 5), MAP, MAP],
        "expected a factor for each channel and two equal shapes, found 2x5, 2x4x9x11, 2x4x9x11",
    ),
    Refusal(
        "Axpy",
        "",
        [(2, 4), MAP, (2, 4, 9, 9)],
        "expected a factor for each channel and two equal shapes, found 2x4, 2x4x9x11, 2x4x9x9",
    ),
    Refusal("PriorBox", "prior_box_param { min_size: 1 }", [MAP], 'expected 2 bottoms, found "a"'),
    Refusal("PriorBox", "", [MAP, MAP], "expected a min_size above 0"),
    Refusal(
        "PriorBox", "prior_box_param { min_size: 0 }", [MAP, MAP], "expected a min_size above 0"
    ),
    Refusal(
        "PriorBox",
        "prior_box_param { min_size: 1 max_size: 2 max_size: 3 }",
        [MAP, MAP],
        "expected as many max_size as min_size (1), found 2",
    ),
    Refusal(
        "PriorBox",
        "prior_box_param { min_size: 1 aspect_ratio: 0 }",
        [MAP, MAP],
        "expected an aspect_ratio above 0, found 0.0",
    ),
    Refusal(
        "PriorBox",
        "prior_box_param { min_size: 1 }",
        [(2, 3), MAP],
        "expected a map (NCHW), found 2x3",
    ),
    Refusal(
        "Embed",
        "embed_param { num_output: 8 }",
        [MAP],
        "expected an input_dim of at least 1, found 0",
    ),
    Refusal(
        "Embed",
        "embed_param { input_dim: 8 }",
        [MAP],
        "expected a num_output of at least 1, found 0",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=label)
def test_facts(case: Case) -> None:
    facts_hold(case)


@pytest.mark.parametrize("refusal", REFUSALS, ids=label)
def test_refusals(refusal: Refusal) -> None:
    refusal_holds(refusal)
