"""Which results are stale: of a net whose description has changed since they were found.

A record says which prototxt a net was held against, and the SHA-256 that the file had. One that
does not, as records did not at first, is not judged.
"""

from __future__ import annotations

import dataclasses

from ranparity.models import zoo
from ranparity.report.check_record import CheckRecord
from ranparity.report.ladder_record import STALE, FreeRuns, LadderRecord
from ranparity.report.zoo_record import NetRow, ZooRecord


def reason(prototxt: str, digest: str) -> str:
    """Says that a file is not what it was; empty if it is, or if nobody can tell.

    Args:
        prototxt: As records name it: `prototxt/Attention-56.prototxt`; one that is not of the zoo
            is not looked for.
        digest: Its SHA-256 then; empty where that was not recorded.

    Raises:
        InputError: It is of the zoo, and not there any more.
    """
    for entry in zoo.ENTRIES.values() if digest else ():
        if prototxt == f"prototxt/{entry.title}.prototxt" and digest != entry.prototxt_digest:
            return changed(prototxt)
    return ""


def changed(prototxt: str) -> str:
    """Says in words why a result is stale."""
    return f"{prototxt} has changed since"


def of_check(record: CheckRecord) -> CheckRecord:
    """Takes the results that are stale out of a record of level 0, and says why instead."""
    stale = {
        name: why
        for name, net in record.nets.items()
        if (why := reason(net.prototxt, net.prototxt_digest))
    }
    nets = {name: net for name, net in record.nets.items() if name not in stale}
    return dataclasses.replace(record, nets=nets, stale=stale)


def of_zoo(record: ZooRecord) -> ZooRecord:
    """Marks the nets of a go through the zoo that are stale."""
    nets = {name: _of_row(row) for name, row in record.nets.items()}
    return dataclasses.replace(record, nets=nets)


def _of_row(row: NetRow) -> NetRow:
    why = reason(f"prototxt/{row.title}.prototxt", row.prototxt_digest)
    return dataclasses.replace(row, stale=why)


def of_ladder(record: LadderRecord) -> LadderRecord:
    """Puts `stale` in the place of the ladder's verdicts that are so."""
    stated = {level.held for level in record.levels} | {runs.held for runs in record.runs}
    stale = {held for held in stated if reason(held.prototxt, held.digest)}
    return dataclasses.replace(
        record,
        levels=tuple(
            dataclasses.replace(level, verdict=STALE) if level.held in stale else level
            for level in record.levels
        ),
        runs=tuple(_stale(runs) if runs.held in stale else runs for runs in record.runs),
    )


def _stale(runs: FreeRuns) -> FreeRuns:
    pairs = tuple(dataclasses.replace(pair, verdict=STALE) for pair in runs.pairs)
    return dataclasses.replace(runs, pairs=pairs)
