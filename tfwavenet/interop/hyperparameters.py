"""Hyper-parameters of other projects: what stands beside the tensors of a checkpoint."""

from __future__ import annotations

import dataclasses
import math
import re
import reprlib
from collections.abc import Mapping
from typing import Any

from absl import logging

from tfwavenet.audio.features import FeatureRecipe

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxdict = 2, 4
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100


class Hyperparameters:
    """The hyper-parameters that stand beside the tensors of a network, possibly none.

    They come from a file, so that every value is checked when it is taken.

    Args:
        values: values by the names that the project gives them.
        origin: name of the hyper-parameters in error messages.

    Raises:
        ValueError: if the values are no mapping.
    """

    def __init__(self, values: Any, origin: str) -> None:
        if not isinstance(values, Mapping):
            raise ValueError(
                f"{origin}: Expected a mapping of hyper-parameters. Received: {_SHORT.repr(values)}"
            )
        self._values = dict(values)
        self._origin = origin

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def integer(self, key: str, default: Any, *, least: int = 1, most: int = 2**31 - 1) -> Any:
        """Returns an integer, or the default if the key is not given.

        Args:
            key: name of the hyper-parameter.
            default: value where the key is not given.
            least: smallest value.
            most: largest value.

        Raises:
            ValueError: if the value is something else; the message names the key.
        """
        value = self._values.get(key)
        if value is None:
            return default
        is_whole = self._is_number(value) and value == int(value)
        if not is_whole or not least <= value <= most:
            raise self._refusal(key, f"an integer from {least} to {most}", value)
        return int(value)

    def number(self, key: str, default: Any) -> Any:
        """Returns a finite number, or the default if the key is not given.

        Raises:
            ValueError: if the value is something else; the message names the key.
        """
        value = self._values.get(key)
        if value is not None and not self._is_number(value):
            raise self._refusal(key, "a finite number", value)
        return default if value is None else value

    def numbers(self, key: str, default: Any) -> Any:
        """Returns a list of finite numbers, or the default if the key is not given.

        Raises:
            ValueError: if the value is something else; the message names the key.
        """
        value = self._values.get(key)
        if value is None:
            return default
        if not isinstance(value, (list, tuple)) or not all(map(self._is_number, value)):
            raise self._refusal(key, "a list of finite numbers", value)
        return list(value)

    def flag(self, key: str, default: bool) -> bool:
        """Returns true or false, or the default if the key is not given.

        Raises:
            ValueError: if the value is something else; the message names the key.
        """
        value = self._values.get(key)
        if value is not None and (type(value) not in (bool, int) or value not in (0, 1)):
            raise self._refusal(key, "true or false", value)
        return default if value is None else bool(value)

    def text(self, key: str, default: str) -> str:
        """Returns a text, or the default if the key is not given.

        Raises:
            ValueError: if the value is something else; the message names the key.
        """
        value = self._values.get(key)
        if value is not None and not isinstance(value, str):
            raise self._refusal(key, "a text", value)
        return default if value is None else value

    def section(self, *keys: str) -> Hyperparameters:
        """Returns the mapping below nested keys; it is empty if a key is not given.

        Raises:
            ValueError: if there is something else below a key; the message names the key.
        """
        values: Any = self._values
        for key in keys:
            found = values.get(key)
            if found is not None and not isinstance(found, Mapping):
                raise self._refusal(key, "a mapping", found)
            values = found or {}
        return Hyperparameters(values, self._origin)

    def agreed(self, key: str, value: Any) -> Any:
        """Returns the value that the tensors tell of a key, if no other value is given.

        Raises:
            ValueError: if another value is given; the message names the key.
        """
        given = self._values.get(key)
        if given is not None and given != value:
            raise ValueError(
                f"{self._origin}: Expected {key}={value!r}, as the tensors have it. "
                f"Received: {key}={_SHORT.repr(given)}"
            )
        return value

    def recipe(
        self, base: FeatureRecipe, changes: Mapping[str, Any], keys: Mapping[str, str]
    ) -> FeatureRecipe | None:
        """Returns a recipe that differs from another one by what a checkpoint says.

        Args:
            base: the recipe of the project's published configuration.
            changes: fields of the recipe to their values.
            keys: fields of the recipe to the names of the project.

        Returns:
            The recipe. If None, there is no such recipe here, and a warning has said why: the
            network then takes features that were made elsewhere.
        """
        try:
            return dataclasses.replace(base, **changes)
        except ValueError as error:
            named = re.search(r"Received: (\w+)=", str(error))
            field = named[1] if named else ""
            logging.warning(
                "%s: no recipe can be derived from %s; the network takes features that are made "
                "elsewhere (%s)",
                self._origin,
                keys.get(field, field) or "its values",
                error,
            )
            return None

    @staticmethod
    def _is_number(value: Any) -> bool:
        return type(value) in (int, float) and abs(value) < 2**63 and math.isfinite(value)

    def _refusal(self, key: str, expected: str, value: Any) -> ValueError:
        return ValueError(
            f"{self._origin}: Expected {key} to be {expected}. Received: {key}={_SHORT.repr(value)}"
        )
