"""Chooses the number of sequences that are generated side by side, so that all end soonest."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

# Each size that occurs is compiled once, so there are few: four an octave.
SLOTS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32)

# A step of so many sequences on one core, in units of one of a single sequence, which reads the
# weights at the rate of memory; 2 and 3 are matrix products of a form that is slow for so few.
# Measured at two sizes of network, see docs/measurements.md.
_MEASURED_SLOTS = (1, 2, 4, 8, 16, 32)
_MEASURED_COSTS = (1.0, 2.6, 2.8, 3.3, 5.0, 9.0)


def slots_per_program(lengths: Sequence[int], programs: int) -> int:
    """The number of slots of each program with which the whole is estimated to end first.

    With fewer slots than sequences, each slot takes several, one after another: short ones share
    a slot while a long one runs, and no step is spent on sequences that have ended.

    Args:
        lengths: of the sequences, in any unit, positive.
        programs: how many run at the same time, each on a core.

    Returns:
        One of `SLOTS`.
    """
    longest_first = sorted(lengths, reverse=True)
    most = next(s for s in SLOTS if s * programs >= len(lengths) or s == SLOTS[-1])
    costs = np.interp(SLOTS, _MEASURED_SLOTS, _MEASURED_COSTS)
    estimates = {
        slots: cost * _last_end(longest_first, slots * programs)
        for slots, cost in zip(SLOTS, costs)
        if slots <= most
    }
    return min(estimates, key=lambda slots: estimates[slots])


def _last_end(lengths: Sequence[int], slots: int) -> int:
    """When the last sequence ends if each begins in the slot that is free first."""
    ends = [0] * slots
    for length in lengths:
        heapq.heapreplace(ends, ends[0] + length)
    return max(ends)
