"""Where two files that should be aligned stop being so, seen from their lines alone.

A line and its translation agree in length, in digits and in Latin words more than a line and its neighbour's translation do. Where a run of
lines agrees better with the lines one, two or three further on, the files have shifted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RUN = 12
"""Lines that have to agree."""
FARTHEST = 3
_MARKS = re.compile(r"\d+|[A-Za-z]{3,}")


def first_shift(source: Sequence[str], target: Sequence[str]) -> int | None:
    """The 0-based line from which on the two sides seem to be shifted against each other; None where none is seen."""
    count = min(len(source), len(target))
    if count < 2 * RUN:
        return None
    lengths = [np.log(np.array([len(line.strip()) for line in side]) + 3.0) for side in (source, target)]
    usual = float(np.median(lengths[1][:count] - lengths[0][:count]))
    marks = [[set(_MARKS.findall(line)) for line in side] for side in (source, target)]

    def costs(offset: int, back: bool) -> NDArray[np.float64]:
        """How badly line i of one side fits line i + offset of the other."""
        one, other = (1, 0) if back else (0, 1)
        known = count - offset
        difference = lengths[other][offset:count] - lengths[one][:known]
        apart = np.abs(difference - (-usual if back else usual))
        unlike = [_unlike(a, b) for a, b in zip(marks[one][:known], marks[other][offset:count], strict=True)]
        found = np.full(count, np.inf)
        found[:known] = np.minimum(apart, 2.0) + np.array(unlike)
        return found

    straight = _runs(costs(0, False))
    best = None
    for offset in range(1, FARTHEST + 1):
        for back in (False, True):
            better = np.flatnonzero(_runs(costs(offset, back)) < 0.6 * straight - 0.05)
            if len(better) and (best is None or better[0] < best):
                best = int(better[0])
    return best


def _unlike(one: set[str], other: set[str]) -> float:
    """The share of the marks of the side with fewer that the other lacks."""
    fewer = min(len(one), len(other))
    return 1 - len(one & other) / fewer if fewer else 0.0


def _runs(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean cost of the `RUN` lines from each line on."""
    total = np.concatenate([[0.0], np.cumsum(np.minimum(costs, 1e6))])
    return np.asarray((total[RUN:] - total[:-RUN]) / RUN)
