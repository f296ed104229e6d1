"""Checks of arguments that many modules share, and the errors that they raise."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable
from typing import Any


def nearest_name(name: Any, known: Iterable[str]) -> str:
    """Returns " (did you mean ...?)" for an unknown name, or nothing if no name is near.

    Args:
        name: the unknown name.
        known: all names that exist.

    Examples:
        >>> nearest_name("WaveNett", ["DiffWave", "WaveNet"])
        " (did you mean 'WaveNet'?)"
    """
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def positive_integers(**values: Any) -> None:
    """Checks that arguments are integers of at least 1.

    Args:
        **values: the arguments by name.

    Raises:
        ValueError: if an argument is something else; names it.

    Examples:
        >>> positive_integers(num_layers=20, kernel_size=2)
    """
    for name, value in values.items():
        number = _integer(value)
        if number is None or number < 1:
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Returns an argument as a Python int.

    Args:
        name: name of the argument, for the error.
        value: the argument; a bool is not accepted, an integer of NumPy is.
        least: smallest value.
        most: largest value. If None, there is no largest value.

    Raises:
        ValueError: if `value` is not an integer in this range.

    Examples:
        >>> whole_number("batch_size", 4, 1)
        4
    """
    number = _integer(value)
    if number is not None and least <= number and (most is None or number <= most):
        return number
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    raise ValueError(f"{name} must be an integer {bounds}. Received: {name}={value!r}")


def _integer(value: Any) -> int | None:
    """Returns an integer of Python or NumPy as a Python int; None for anything else, and bools."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None
