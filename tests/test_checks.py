"""Checks of arguments: what passes, and the sentence for what does not."""

from __future__ import annotations

import numpy as np
import pytest

from tfwavenet import checks
from tfwavenet.checks import positive_integers


@pytest.mark.parametrize(
    ("name", "hint"),
    [("sed", " (did you mean 'seed'?)"), ("qqq", ""), (7, "")],
)
def test_nearest_name(name, hint):
    assert checks.nearest_name(name, ["seed", "steps"]) == hint


@pytest.mark.parametrize("value", [3, np.int16(3), np.array(3)])
def test_whole_numbers_become_python_integers(value):
    assert type(checks.whole_number("size", value, 3, 3)) is int


@pytest.mark.parametrize("value", [True, 3.0, "3", None, 2, np.array([3, 4])])
def test_other_values_are_refused(value):
    with pytest.raises(ValueError, match="size must be an integer of at least 3. Received: size="):
        checks.whole_number("size", value, 3)


def test_values_above_the_range_are_refused():
    with pytest.raises(ValueError, match="size must be an integer from 1 to 8. Received: size=9"):
        checks.whole_number("size", 9, 1, 8)


@pytest.mark.parametrize("value", [0, -1, 2.5, "2", None, True, [2]])
def test_sizes_are_positive_integers(value):
    with pytest.raises(ValueError, match=r"`width` must be a positive integer. Received: width="):
        positive_integers(height=3, width=value)


def test_integers_of_numpy_are_sizes():
    positive_integers(height=np.int64(3), width=1)
