"""What a run does, apart from the model and the data: a few frozen numbers.

A recipe lives in a file of its own in `recipes/`, which opens with its source, the command that
runs it, what it costs and what it is known to give. It has one stage or several, which train one
after another, the whole network or a part of it; each starts with fresh optimizer slots, and with
the weights that the stage before has trained. Every field of a stage is described once,
where it is declared: options of the command line, help and errors are made from that.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.training.kinds import POSITIVE, SCHEDULE, SWITCH, TEXT, Kind, choice, number, whole
from ranparity.training.update import RULES

NAMES = (
    "digits",
    "paper-cifar",
    "paper-imagenet",
    "e4040",
    "rescon",
    "tengshaofeng-mixup",
    "dranet",
    "dranet-digits",
)
PARTS = ("whole", "features", "aggregation")  # of a network; most have but the first
# `ranparity.data.normalisation.KINDS`, which cannot be asked for `--help`: it loads NumPy.
NORMALISATIONS = ("range", "pixel-mean", "channel-mean", "channel-standard", "imagenet")
LATER = ("part", "e4040_noise")  # fields of a stage that records of earlier versions lack


def _of(kind: Kind, description: str) -> dict[str, Any]:
    """Give a field's metadata."""
    return {"kind": kind, "help": description}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a training run; what a field means is said where it stands, in the words of help.

    Raises:
        InputError: A value is out of its range, or neither epochs nor steps are given.
    """

    name: str = field(default="train", metadata=_of(TEXT, "what the record calls the stage"))
    part: str = field(
        default="whole",
        metadata=_of(choice(PARTS), f"part of the network that is trained: {', '.join(PARTS)}"),
    )
    epochs: int | None = field(
        default=None, metadata=_of(whole(1, optional=True), "end after N passes over the images")
    )
    steps: int | None = field(
        default=None, metadata=_of(whole(1, optional=True), "end after N steps, if that is sooner")
    )
    batch_size: int = field(metadata=_of(whole(1), "images in a step"))
    learning_rate: float = field(metadata=_of(POSITIVE, "learning rate of the first step"))
    schedule: tuple[tuple[int, float], ...] = field(
        default=(),
        metadata=_of(SCHEDULE, "from STEP on, counted from 0, the rate is the first times FACTOR"),
    )
    update: str = field(metadata=_of(choice(tuple(RULES)), f"update rule: {', '.join(RULES)}"))
    momentum: float = field(
        metadata=_of(
            number("0 or more and below 1", "M", lambda value: 0 <= value < 1),
            "how much of the velocity (adamw: of the first moment) a step keeps",
        )
    )
    weight_decay: float = field(
        metadata=_of(
            number("a finite number, 0 or more", "D", lambda value: value >= 0),
            "factor of the decay of every trainable weight: L2 in the gradient, decoupled in adamw",
        )
    )
    normalisation: str = field(
        metadata=_of(
            choice(NORMALISATIONS),
            f"what is taken from the pixels: {', '.join(NORMALISATIONS)}",
        )
    )
    padding: int = field(
        default=0, metadata=_of(whole(0), "zeros on each side of an image before a random crop")
    )
    flip: bool = field(
        default=False, metadata=_of(SWITCH, "mirror half of the images, left to right")
    )
    shift: int = field(
        default=0, metadata=_of(whole(0), "move each image by up to N pixels each way")
    )
    mixup: float = field(
        default=0.0,
        metadata=_of(
            number("0 (no mixup) to 4", "ALPHA", lambda value: 0 <= value <= 4),
            "mix pairs of images with a weight from Beta(ALPHA, ALPHA); 0 mixes none",
        ),
    )
    mixup_epochs: int | None = field(
        default=None, metadata=_of(whole(1, optional=True), "mix in the first N epochs only")
    )
    label_noise: float = field(
        default=0.0,
        metadata=_of(
            number("0 to 1", "SHARE", lambda value: 0 <= value <= 1),
            "share of the training labels that become another class",
        ),
    )
    e4040_noise: float | None = field(
        default=None,
        metadata=_of(
            number("a finite number, 0 or more", "LEVEL", lambda value: value >= 0, optional=True),
            "add to each image one number, normal, of standard deviation 1 + LEVEL, a pixel's "
            "range being 255",
        ),
    )
    patience: int | None = field(
        default=None,
        metadata=_of(
            whole(1, optional=True), "end once N epochs have brought no better test accuracy"
        ),
    )

    def __post_init__(self) -> None:
        for name, kind, _ in described():
            kind.check(getattr(self, name), name)
        if self.epochs is None and self.steps is None:
            raise InputError(f"stage {self.name}: expected epochs or steps. Received: neither")

    def rate(self, step: int) -> float:
        """Give the learning rate of a step, counted from 0 within the stage."""
        factors = [factor for start, factor in self.schedule if start <= step]
        return self.learning_rate * factors[-1] if factors else self.learning_rate

    def length(self, steps_per_epoch: int) -> int:
        """Give the number of steps: what comes first of `epochs` and `steps`."""
        passes = None if self.epochs is None else self.epochs * steps_per_epoch
        return min(end for end in (passes, self.steps) if end is not None)


def described() -> Iterator[tuple[str, Kind, str]]:
    """Give each field of a stage: its name, its kind and what it means."""
    return ((each.name, each.metadata["kind"], each.metadata["help"]) for each in fields(Stage))


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        name: What `named` calls it.
        stages: What is done one after another.

    Raises:
        InputError: There is no stage, or two have one name.
    """

    name: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) < len(names):
            raise InputError(
                f"recipe {self.name}: expected stages, each of another name. Received: {names}"
            )


def named(name: str) -> Recipe:
    """Give the recipe of that name.

    Raises:
        InputError: There is none.
    """
    if name not in NAMES:
        raise InputError(f"recipe: expected one of {', '.join(NAMES)}. Received: {name!r}")
    module = importlib.import_module(f"ranparity.training.recipes.{name.replace('-', '_')}")
    recipe: Recipe = module.RECIPE
    return recipe


def from_json(content: object, where: str = "recipe") -> Recipe:
    """Give the recipe that `dataclasses.asdict` made `content` of, as a run's record holds it.

    Args:
        content: What the JSON text holds.
        where: What the messages of errors begin with.

    Raises:
        InputError: It is not a whole recipe.
    """
    name, stages = _fields(content, where, ("name", "stages"))
    if not isinstance(name, str) or not isinstance(stages, list):
        raise InputError(f"{where}: expected a name and a list of stages. Received: {content!r}")
    return Recipe(
        name, tuple(_stage(each, f"{where}.stages[{index}]") for index, each in enumerate(stages))
    )


def _stage(content: object, where: str) -> Stage:
    """Give a stage of a record."""
    known = tuple(name for name, _, _ in described())
    if isinstance(content, Mapping):
        content = {**later(), **content}
    values = dict(zip(known, _fields(content, where, known), strict=True))
    if isinstance(values["schedule"], list):  # JSON has no tuples
        pairs = values["schedule"]
        values["schedule"] = tuple(tuple(p) if isinstance(p, list) else p for p in pairs)
    for name, kind, _ in described():
        kind.check(values[name], f"{where}.{name}")
    return Stage(**values)


def later() -> dict[str, Any]:
    """Give the fields that old records lack, at their defaults, which is how those runs trained."""
    return {each.name: each.default for each in fields(Stage) if each.name in LATER}


def _fields(content: object, where: str, known: tuple[str, ...]) -> list[Any]:
    """Give the values of a JSON object that has just these fields, in their order."""
    if not isinstance(content, Mapping) or set(content) != set(known):
        received = sorted(map(str, content)) if isinstance(content, Mapping) else repr(content)
        raise InputError(f"{where}: expected the fields {', '.join(known)}. Received: {received}")
    return [content[name] for name in known]


def default(model: str, data: str) -> tuple[str, str]:
    """Give the name of the recipe that a run takes if none is asked for, and why.

    Args:
        model: A name of the zoo.
        data: What `ranparity.data.load` takes.

    Raises:
        InputError: There is no such model.
    """
    entry = zoo.entry(model)
    height, width, _ = entry.input_shape
    if "features" in entry.parts:
        name = "dranet-digits" if data == "digits" else "dranet"
        return name, f"{model} is trained in two stages"
    if data == "digits":
        return "digits", "the data is digits"
    if (height, width) == (32, 32):
        return "paper-cifar", f"{model} takes 32x32 images"
    return "paper-imagenet", f"{model} takes {height}x{width} images"
