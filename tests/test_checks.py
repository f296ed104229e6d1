"""Checks of arguments: what passes, and the sentence for what does not."""

from __future__ import annotations

import numpy as np
import pytest

from tfwavenet import checks


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
