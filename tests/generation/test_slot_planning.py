"""How many slots are used for sequences of which lengths."""

from __future__ import annotations

import itertools

import pytest

from tfwavenet.generation.slot_planning import SLOTS, slots_per_program


@pytest.mark.parametrize(
    ("lengths", "programs", "expected"),
    [
        ([7], 1, 1),
        ([7, 7], 2, 1),
        # Two side by side on a core take longer than one after the other.
        ([7, 7], 1, 1),
        ([7] * 8, 1, 8),
        ([7] * 16, 2, 8),
        ([7] * 54, 2, 28),
        # In four rounds of 20 a core rather than three of 32, not all of which are full.
        ([7] * 150, 2, 20),
        # A long one among short ones, which end one after the other meanwhile.
        ([64] + [1] * 63, 1, 1),
        ([64, 64] + [1] * 100, 2, 1),
        ([64] * 4 + [1] * 100, 1, 6),
    ],
)
def test_slots_are_those_that_end_first(lengths, programs, expected):
    assert slots_per_program(lengths, programs) == expected


def test_few_sizes_occur():
    found = {slots_per_program([5] * n, p) for n, p in itertools.product(range(1, 300), (1, 2, 8))}
    assert found <= set(SLOTS)


def test_no_step_is_spent_on_what_has_ended():
    """Of utterances of 1 to 10 seconds, as many side by side as keep each other busy."""
    slots = slots_per_program([1 + 9 * i / 63 for i in range(64)], 2)
    assert slots <= 20
