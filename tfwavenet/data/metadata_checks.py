"""Checks the content of metadata.json, of prepared data, field by field."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from tfwavenet.audio import recipes
from tfwavenet.audio.recipes import Recipe
from tfwavenet.data.splits import SPLITS
from tfwavenet.text import TextRecipe

CHECKSUM = "checksum"
_LARGEST_COUNT = 2**53
_SHARD_NAME = re.compile(r"[\w.-]+")
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")


def checksum(metadata: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of all fields but the checksum itself, in hexadecimal digits."""
    others = {key: value for key, value in metadata.items() if key != CHECKSUM}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def check(metadata: Mapping[str, Any], origin: str) -> None:
    """Checks the fields of metadata, and their checksum, which earlier versions did not write.

    Args:
        metadata: content of metadata.json.
        origin: name of the file, for the error.

    Raises:
        ValueError: if a field is missing, is of another kind, or contradicts the others.
    """
    for name, (fits, expected) in _FIELDS.items():
        if name not in metadata:
            if name not in _OPTIONAL:
                raise _damaged(origin, f"it lacks {name}", f"keys={sorted(metadata)[:20]}")
        elif not fits(metadata[name]):
            raise _damaged(origin, f"{name} must be {expected}", _shown(name, metadata[name]))
    _check_recipe(metadata, origin)
    expected_checksum = checksum(metadata)
    if metadata.get(CHECKSUM, expected_checksum) != expected_checksum:
        raise _damaged(
            origin,
            "it was changed after it was written",
            f"checksum {expected_checksum}, expected {metadata[CHECKSUM]}",
        )


def _check_recipe(metadata: Mapping[str, Any], origin: str) -> None:
    """Checks the recipe, and that the recipe of the settings differs by what was fitted only."""
    try:
        recipe = recipes.of_any_kind(metadata["recipe"])
        chosen = recipes.of_any_kind(metadata["settings"].get("recipe", recipe))
    except ValueError as error:
        raise ValueError(f"{origin} is damaged, see its recipe: {error}") from error
    if _without_statistics(recipe) != _without_statistics(chosen):
        reason = "its recipe and the recipe of its settings must be equal but for statistics"
        raise _damaged(origin, reason, _shown("recipe", metadata["recipe"]))


def _without_statistics(recipe: Recipe) -> Recipe:
    """Returns a recipe without all that is fitted on the training set."""
    if isinstance(recipe, TextRecipe):
        return dataclasses.replace(recipe, characters=None)
    return dataclasses.replace(recipe, mean=None, std=None)


def _damaged(origin: str, reason: str, received: str) -> ValueError:
    return ValueError(
        f"{origin} is damaged, {reason}; remove the folder and prepare again. Received: {received}"
    )


def _shown(name: str, value: Any) -> str:
    """Returns the beginning of a value, in one line, as errors show it."""
    text = repr(value)
    return f"{name}={text if len(text) <= 200 else text[:200] + '...'}"


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _LARGEST_COUNT


def _is_amount(value: Any) -> bool:
    is_number = type(value) in (int, float) and 0 <= value < _LARGEST_COUNT
    return is_number and math.isfinite(value)


def _is_settings(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("with_mel"), bool)


def _are_names(value: Any) -> bool:
    are_texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return are_texts and 0 < len(value) == len(set(value))


def _is_mapping_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def _are_splits(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == set(SPLITS)
        and all(map(_is_split, value.values()))
    )


def _is_split(value: Any) -> bool:
    """Tells whether a value describes a split: its sizes, and its shards with their sizes."""
    if not isinstance(value, dict):
        return False
    digest = value.get("index_checksum")
    return (
        _is_count(value.get("records"))
        and _is_count(value.get("frames"))
        and all(_is_amount(value[unit]) for unit in ("seconds", "characters") if unit in value)
        and _is_mapping_of(_is_count)(value.get("shards"))
        and all(map(_SHARD_NAME.fullmatch, value["shards"]))
        and (digest is None or (isinstance(digest, str) and bool(_HEXADECIMAL.fullmatch(digest))))
    )


def _are_rates(value: Any) -> bool:
    return _is_mapping_of(_is_count)(value) and all(map(str.isdecimal, value))


_AMOUNTS = (_is_mapping_of(_is_amount), "a mapping of names to numbers")
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "format": (_is_count, "an integer"),
    "settings": (_is_settings, "a mapping with with_mel, true or false"),
    "recipe": (lambda value: isinstance(value, dict), "a mapping"),
    "speakers": (_are_names, "a list of different names"),
    "splits": (_are_splits, f"a mapping of {', '.join(SPLITS)} to their sizes and shards"),
    "seconds_by_speaker": _AMOUNTS,
    "characters_by_speaker": _AMOUNTS,
    "source_sample_rates": (_are_rates, "a mapping of sample rates to numbers of files"),
    "skipped_files": (_is_count, "a number of files"),
    CHECKSUM: (lambda value: isinstance(value, str), "a text"),
}
_OPTIONAL = tuple(_FIELDS)[5:]
