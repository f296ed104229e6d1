"""Completes and checks the configuration of a training run; `config_keys` lists its keys."""

from __future__ import annotations

import inspect
import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any, Optional, Union

import keras
import ml_collections

from tfwavenet import models
from tfwavenet.audio import recipes
from tfwavenet.audio.recipes import Recipe
from tfwavenet.checks import nearest_name
from tfwavenet.models import ParallelWaveNet, presets
from tfwavenet.training import optimizers, schedules
from tfwavenet.training.config_keys import KEYS, PATH, SOURCE

Config = Union[ml_collections.ConfigDict, Mapping[str, Any]]

# Arguments of a model that a config does not set: they follow from the data, or are Keras' own.
_NOT_CONFIGURED = ("self", "recipe", "kwargs")
_SECTIONS = ("model", "data", "training")


def default_config(class_name: str = "WaveNet") -> ml_collections.ConfigDict:
    """Returns a config with every key at its default, to be changed in place.

    Args:
        class_name: class of `tfwavenet.models` whose arguments `config.model` holds.

    Raises:
        ValueError: If there is no such model.

    Examples:
        >>> config = default_config()
        >>> config.model.num_layers = 12
        >>> config.training.steps
        100000
    """
    config = ml_collections.ConfigDict(_defaults(class_name), type_safe=False)
    optional = {key.name: key.check.kind for key in KEYS if key.check and key.check.kind}
    for name, parameter in _model_arguments(class_name).items():
        if " | " in str(parameter.annotation):
            optional[f"model.{name}"] = object
    for name, kind in optional.items():
        section, _, key = name.partition(".")
        config[section][key] = ml_collections.FieldReference(config[section][key], field_type=kind)
    return config


def resolve(config: Config) -> ml_collections.ConfigDict:
    """Completes a config with the defaults and checks it.

    Args:
        config: any part of the keys. Mappings that name a class (`learning_rate`, `upsampler`,
            `distribution`) and `recipe` replace the default; they are not merged with the default.

    Returns:
        A locked `ConfigDict` with every key, of JSON values only. Folders are absolute, so that
        a run can be continued from anywhere.

    Raises:
        ValueError: If a key is unknown (names the nearest key), or a value is not allowed.
    """
    given = _plain(config)
    model = given.get("model") or {}
    if not isinstance(model, dict):
        raise ValueError(f"config key 'model' must be a mapping. Received: model={model!r}")
    merged = _merge(_defaults(str(model.get("class_name", "WaveNet"))), given)
    _check(merged)
    for key in KEYS:
        section, _, name = key.name.rpartition(".")
        value = merged[section][name] if section else merged[name]
        if value is not None and (
            key.check is PATH or (key.check is SOURCE and not presets.is_named(value))
        ):
            merged[section][name] = os.path.abspath(os.path.expanduser(value))
    return ml_collections.ConfigDict(merged, type_safe=False).lock()


def recipe_of(config: ml_collections.ConfigDict) -> Recipe:
    """Returns the recipe of a config, without the statistics of the data.

    Args:
        config: a resolved config.

    Raises:
        ValueError: If the recipe's name, a field or a value is not valid.
    """
    recipe = config.recipe
    is_mapping = isinstance(recipe, ml_collections.ConfigDict)
    return recipes.of_any_kind(recipe.to_dict() if is_mapping else recipe)


def first_difference(old: Config, new: Config) -> Optional[tuple[str, Any, Any]]:
    """Finds where two resolved configs differ.

    Args:
        old: a resolved config.
        new: a resolved config.

    Returns:
        The dotted key, the value in `old` and the value in `new` of the first difference, in the
        order of `new`. None if the configs are equal.
    """
    given, wanted = _plain(old), _plain(new)
    before, after = dict(_flat(given)), dict(_flat(wanted))
    for key in [*after, *before]:
        if key not in before or key not in after or before[key] != after[key]:
            # A value on one side may be a mapping on the other.
            return key, _value_at(given, key), _value_at(wanted, key)
    return None


def model_class(name: str) -> type[keras.Model]:
    """Returns the class of `tfwavenet.models` of that name.

    Raises:
        ValueError: If there is no such class; names the nearest.
    """
    if name not in models.__all__:
        raise ValueError(
            f"config key 'model.class_name' must be one of {sorted(models.__all__)}"
            f"{nearest_name(name, models.__all__)}. Received: model.class_name={name!r}"
        )
    return getattr(models, name)


def _model_arguments(class_name: str) -> dict[str, inspect.Parameter]:
    """Returns the constructor arguments of a model that a config sets."""
    parameters = inspect.signature(model_class(class_name).__init__).parameters
    return {name: value for name, value in parameters.items() if name not in _NOT_CONFIGURED}


def _defaults(class_name: str) -> dict[str, Any]:
    """Returns the defaults as nested dicts."""
    arguments = {name: value.default for name, value in _model_arguments(class_name).items()}
    defaults: dict[str, Any] = {}
    for key in KEYS:
        section, _, name = key.name.rpartition(".")
        (defaults.setdefault(section, {}) if section else defaults)[name] = key.default
    defaults["model"] = {"class_name": class_name, **arguments}
    return defaults


def _plain(config: Config) -> dict[str, Any]:
    """Returns a config as nested dicts of JSON values."""
    as_dict = config.to_dict() if hasattr(config, "to_dict") else config
    if not isinstance(as_dict, Mapping):
        raise ValueError(f"a config must be a mapping. Received: config={as_dict!r}")
    try:
        return json.loads(json.dumps(as_dict))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"a config holds numbers, strings, lists and mappings only ({error}). "
            f"Received: config={as_dict!r}"
        ) from error


def _merge(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Puts the given values over the defaults, section by section."""
    merged = dict(defaults)
    for key, value in given.items():
        if key not in defaults:
            raise _unknown(key, defaults, list(defaults))
        if key not in _SECTIONS:
            merged[key] = value
            continue
        section = defaults[key]
        if not isinstance(value, dict):
            raise ValueError(f"config key {key!r} must be a mapping. Received: {key}={value!r}")
        for name in value:
            if name not in section:
                known = [f"{key}.{other}" for other in section]
                raise _unknown(f"{key}.{name}", defaults, known)
        merged[key] = {**section, **value}
    return merged


def _unknown(key: str, defaults: dict[str, Any], known: list[str]) -> ValueError:
    """Returns the error for an unknown key; suggests one of its section, or of another."""
    everywhere = [name for name, _ in _flat(defaults)]
    elsewhere = [name for name in everywhere if name.endswith("." + key.rsplit(".", 1)[-1])]
    hint = nearest_name(key, known) or nearest_name(key, everywhere)
    hint = f" (did you mean {elsewhere[0]!r}?)" if elsewhere else hint
    return ValueError(
        f"config key {key!r} is unknown{hint}, expected one of {', '.join(known)}. Received: {key}"
    )


def _value_at(config: Any, key: str) -> Any:
    """Returns the value of a dotted key, or None where there is no such key."""
    for name in key.split("."):
        if not isinstance(config, Mapping) or name not in config:
            return None
        config = config[name]
    return config


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields `(dotted key, value)`; lists are values."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _check(config: dict[str, Any]) -> None:
    """Raises ValueError for the first value that is not allowed."""
    for name, value in _flat(config):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"config key {name!r} must be finite. Received: {name}={value!r}")
    for key in KEYS:
        section, _, name = key.name.rpartition(".")
        value = config[section][name] if section else config[name]
        if key.check and not key.check.holds(value):
            raise ValueError(
                f"config key {key.name!r} must be {key.check.expectation}. "
                f"Received: {key.name}={value!r}"
            )
    _check_together(config["model"], config["data"], config["training"])
    schedules.get(config["training"]["learning_rate"])
    optimizers.check(config["training"]["optimizer"])


def _check_together(model: dict[str, Any], data: dict[str, Any], training: dict[str, Any]) -> None:
    """Raises ValueError for the first values that do not fit each other."""
    is_student = issubclass(model_class(model["class_name"]), ParallelWaveNet)
    if training["teacher"] is not None and not is_student:
        raise ValueError(
            "config key 'training.teacher' is for a student, and must be None for other models. "
            f"Received: training.teacher={training['teacher']!r} with "
            f"model.class_name={model['class_name']!r}"
        )
    if model.get("contrastive_weight") and data["batch_size"] < 2:
        raise ValueError(
            "config key 'data.batch_size' must be at least 2 for a contrast between utterances. "
            f"Received: data.batch_size={data['batch_size']} with "
            f"model.contrastive_weight={model['contrastive_weight']}"
        )
    if model.get("contrastive_weight") and training["accumulate"] > 1:
        raise ValueError(
            "config key 'training.accumulate' must be 1 for a contrast between utterances, which "
            f"is made in whole batches. Received: training.accumulate={training['accumulate']} "
            f"with model.contrastive_weight={model['contrastive_weight']}"
        )
    if training["steps"] % training["steps_per_epoch"]:
        raise ValueError(
            "config key 'training.steps' must be a multiple of training.steps_per_epoch="
            f"{training['steps_per_epoch']}. Received: training.steps={training['steps']}"
        )
