"""What the ledger is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ranparity.claims.figures import Printed, printed


@dataclass(frozen=True)
class Source:
    """Who published, where, and what is known to be wrong with it."""

    name: str
    title: str
    place: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """Data that a figure is of.

    Attributes:
        name: What the ledger calls them.
        title: Their name in sentences.
        option: What `--data` takes for them.
        recorded: What a run's record calls them.
        train: Images for training in the whole set.
        test: Images for testing in the whole set.
        classes: Number of classes.
    """

    name: str
    title: str
    option: str
    recorded: str
    train: int
    test: int
    classes: int


@dataclass(frozen=True)
class Measure:
    """What a figure means.

    Attributes:
        name: What the ledger calls it.
        title: Its name in sentences.
        unit: Of the printed figures; empty where they carry their own or have none.
        of: What kind of record it is taken from.
        reason: Why the margin is what it is.
        margin: How far from the figure a result may be; None where digits decide, or nothing does.
    """

    name: str
    title: str
    unit: str
    of: Literal["training", "structure", "none"]
    reason: str
    margin: float | None = None


@dataclass(frozen=True)
class Claim:
    """A figure that a source publishes.

    Attributes:
        id: Its name in the ledger.
        source: Who.
        where: The table or section.
        named: The network as the source calls it, with what is special about it.
        measure: What the figure means.
        value: The figure as printed.
        data: What it was measured on; None for the structure.
        net: The network in the zoo; empty if it is in none.
        command: What tries it here; empty if nothing can.
        why: Why nothing can; empty if something can.
        note: Where the command does not do what the source did.
    """

    id: str
    source: Source
    where: str
    named: str
    measure: Measure
    value: str
    data: Data | None = None
    net: str = ""
    command: str = ""
    why: str = ""
    note: str = ""

    @property
    def figure(self) -> Printed | None:
        """The figure as a number; None where nothing can be judged by it."""
        return printed(self.value) if self.measure.of != "none" else None


@dataclass(frozen=True)
class Direction:
    """A claim about which of two is larger, that an experiment tries at small scale."""

    id: str
    source: Source
    where: str
    claim: str
    experiment: str
    data: str


@dataclass(frozen=True)
class Contradiction:
    """Claims, by id, that cannot all be right, or are not what they look like."""

    id: str
    what: str
    claims: tuple[str, ...]
