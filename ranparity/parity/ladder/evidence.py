"""A backend's tensors as the judge names them: KIND/NAME, in Caffe's terms and layouts.

Of an imported model, which Caffe has no names for, they go by Keras's names, as Keras lays them
out.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from numpy.typing import NDArray

from ranparity.models import caffe_weights
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.store import Store

Arrays = Mapping[str, NDArray[Any]]
GRADIENT = "gradient"


def of_level(case: Case, found: Store, level: int) -> dict[str, NDArray[Any]]:
    """Give a backend's tensors of level 1 or 2."""
    tensors = {f"blob/{name}": x for name, x in blobs(case, found, f"{level}/blob").items()}
    if level == 2:
        tensors |= after(case, found, "3") | after(case, found, "2")
    return tensors


def blobs(case: Case, found: Store, prefix: str) -> Arrays:
    """Give blobs by name; maps are NCHW."""
    return {name: _in_caffe(case, blob) for name, blob in found.under(prefix).items()}


def _in_caffe(case: Case, blob: NDArray[Any]) -> NDArray[Any]:
    last = case.data_format == "channels_last" and blob.ndim == 4 and not case.imported
    return blob.transpose(0, 3, 1, 2) if last else blob


def after(case: Case, found: Store, prefix: str) -> dict[str, NDArray[Any]]:
    """Give what a step leaves.

    Args:
        case: What was asked.
        found: The evidence.
        prefix: Of which step; that with all to be read leaves what is not the other's, bit for bit.
    """
    weights, slots = found.under(f"{prefix}/weights"), found.under(f"{prefix}/slots")
    if case.imported:
        trained = {name.rpartition("/")[0] for name in slots}
    else:
        weights, slots = caffe_weights.named(weights), caffe_weights.slots_named(slots)
        trained = {name for name in weights if not name.endswith(("/mean", "/variance"))}
    return {"loss": found[f"{prefix}/loss"]} | named(weights, slots, trained)


def named(weights: Arrays, slots: Arrays, trained: Container[str]) -> dict[str, NDArray[Any]]:
    """Give variables and slots by KIND/NAME.

    Args:
        weights: All variables by name.
        slots: By NAME/SLOT, gradients among them.
        trained: The names of those that are trained.
    """
    found = {
        f"{'weight' if name in trained else 'statistic'}/{name}": x for name, x in weights.items()
    }
    for name, value in slots.items():
        of, _, slot = name.rpartition("/")
        found[f"{GRADIENT}/{of}" if slot == GRADIENT else f"kept/{name}"] = value
    return found
