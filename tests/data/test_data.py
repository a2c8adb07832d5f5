from __future__ import annotations

import pytest

from ranparity import data
from ranparity.errors import InputError


@pytest.mark.parametrize("name", data.NAMES)
def test_every_name_loads_under_its_name(name: str) -> None:
    assert data.load(name).name == name


def test_an_unknown_name_is_bad_input() -> None:
    with pytest.raises(InputError) as caught:
        data.load("mnist")
    assert str(caught.value) == "data: expected one of digits. Received: 'mnist'"
