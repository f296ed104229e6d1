"""The configuration of a training run: its keys, their only defaults, and what values they take.

| key | default | meaning |
|---|---|---|
| `seed` | 0 | of weights, crops and everything else that is drawn |
| `recipe` | `"speech_16k"` | feature recipe, or `"text"`: a name, or a mapping of its fields |
| `model.class_name` | `"WaveNet"` | class of `tfwavenet.models` |
| `model.*` | that class's own | its constructor arguments; `recipe` is filled in from the data, and `speakers` too where it is None and `speaker_channels` is not |
| `data.corpus`, `data.root` | `"bundled"`, None | see `data.prepare` |
| `data.records` | None | folder of data prepared earlier, in place of corpus and root |
| `data.max_seconds`, `with_mel`, `validation`, `test`, `split_seed` | those of `data.prepare` | how the corpus is prepared |
| `data.batch_size` | 8 | crops per update |
| `data.crop_frames` | 40 | length of a crop in frames of the recipe |
| `training.teacher` | None | of a `ParallelWaveNet`: workdir of the trained model that it learns from, and whose statistics normalize the features |
| `training.steps` | 100 000 | updates in all; the only key that may change (grow) when a run is resumed |
| `training.steps_per_epoch` | 1000 | updates between checkpoints, validations and lines of progress |
| `training.learning_rate` | halved every 200 000 steps from 1e-3 | a number, or `{"class_name", "config"}` of `training.schedules` |
| `training.beta_1`, `beta_2`, `epsilon` | 0.9, 0.999, 1e-8 | of Adam |
| `training.clip_norm` | 1.0 | largest global norm of the gradients, or None |
| `training.ema_decay` | 0.9999 | of the average of the weights, or None for no average |
| `training.precision` | `"float32"` | or `"mixed_bfloat16"`, `"mixed_float16"` |
| `training.jit_compile` | False | whether XLA compiles the training step |
| `training.deterministic` | True | whether a resumed run repeats itself to the bit |
| `training.validation_batches` | 8 | batches of held-out crops per epoch, 0 for none |
| `training.keep_checkpoints` | 3 | number of checkpoints to keep |
| `training.sample_epochs` | 10 | generate held-out utterances every so many epochs, 0 for never |
| `training.sample_utterances`, `sample_seconds` | 2, 2.0 | how many, and how much of each |
| `training.sample_characters` | 400 | how much of each, of text; half of it is given |
"""

from __future__ import annotations

import inspect
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Union

import ml_collections
import tensorflow as tf

from tfwavenet import models
from tfwavenet.data.preparation import prepare
from tfwavenet.distributions.base import nearest_name
from tfwavenet.models import ParallelWaveNet
from tfwavenet.training import schedules

Config = Union[ml_collections.ConfigDict, Mapping[str, Any]]

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")

_TRAINING: dict[str, Any] = {
    "teacher": None,
    "steps": 100_000,
    "steps_per_epoch": 1000,
    "learning_rate": {
        "class_name": "FlooredExponentialDecay",
        "config": {"initial": 1e-3, "decay_steps": 200_000, "decay_rate": 0.5, "staircase": True},
    },
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-8,
    "clip_norm": 1.0,
    "ema_decay": 0.9999,
    "precision": "float32",
    "jit_compile": False,
    "deterministic": True,
    "validation_batches": 8,
    "keep_checkpoints": 3,
    "sample_epochs": 10,
    "sample_utterances": 2,
    "sample_seconds": 2.0,
    "sample_characters": 400,
}
# Names of `prepare`'s arguments here -> there.
_PREPARATION = {
    "max_seconds": "max_seconds",
    "with_mel": "with_mel",
    "validation": "validation",
    "test": "test",
    "split_seed": "seed",
}
# Keys that may be None or something else, with the type that a command line gives them. Others have
# the type of their default there, but for a model's arguments of several types.
_OPTIONAL: dict[str, dict[str, type]] = {
    "data": {"root": str, "records": str},
    "training": {"teacher": str, "clip_norm": object, "ema_decay": object},
}
_FOLDERS = (("data", "root"), ("data", "records"), ("training", "teacher"))
# Arguments of a model that a config does not set: they follow from the data, or are Keras' own.
_NOT_CONFIGURED = ("self", "recipe", "kwargs")


def _whole(least: int) -> tuple[Callable[[Any], bool], str]:
    """A check for integers of at least `least`."""
    return (
        lambda value: type(value) is int and value >= least,
        f"an integer of at least {least}",
    )


def _real(low: float, high: float, *, optional: bool = False) -> tuple[Callable[[Any], bool], str]:
    """A check for numbers in [low, high), or None."""

    def holds(value: Any) -> bool:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return (optional and value is None) or (number and low <= value < high)

    return holds, f"a number in [{low:g}, {high:g})" + (" or None" if optional else "")


def _boolean() -> tuple[Callable[[Any], bool], str]:
    return lambda value: isinstance(value, bool), "True or False"


def _text() -> tuple[Callable[[Any], bool], str]:
    return lambda value: value is None or isinstance(value, str), "a string or None"


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "seed": _whole(-(2**63)),
    "data.root": _text(),
    "data.records": _text(),
    "data.max_seconds": _real(0.0, float("inf")),
    "data.with_mel": _boolean(),
    "data.validation": _real(0.0, 1.0),
    "data.test": _real(0.0, 1.0),
    "data.split_seed": _whole(-(2**63)),
    "data.batch_size": _whole(1),
    "data.crop_frames": _whole(1),
    "training.teacher": _text(),
    "training.steps": _whole(1),
    "training.steps_per_epoch": _whole(1),
    "training.beta_1": _real(0.0, 1.0),
    "training.beta_2": _real(0.0, 1.0),
    "training.epsilon": _real(0.0, 1.0),
    "training.clip_norm": _real(1e-12, float("inf"), optional=True),
    "training.ema_decay": _real(0.0, 1.0, optional=True),
    "training.precision": (lambda value: value in PRECISIONS, f"one of {PRECISIONS}"),
    "training.jit_compile": _boolean(),
    "training.deterministic": _boolean(),
    "training.validation_batches": _whole(0),
    "training.keep_checkpoints": _whole(1),
    "training.sample_epochs": _whole(0),
    "training.sample_utterances": _whole(1),
    "training.sample_seconds": _real(0.01, 3600.0),
    "training.sample_characters": _whole(2),
}


def default_config(class_name: str = "WaveNet") -> ml_collections.ConfigDict:
    """Returns a config with every key at its default, to be changed in place.

    Args:
        class_name: class of `tfwavenet.models` whose arguments `config.model` holds.

    Raises:
        ValueError: If there is no such model.

    Example:
        >>> config = default_config()
        >>> config.model.num_layers = 12
        >>> config.training.steps
        100000
    """
    config = ml_collections.ConfigDict(_defaults(class_name), type_safe=False)
    for section, keys in _OPTIONAL.items():
        for key, kind in keys.items():
            reference = ml_collections.FieldReference(config[section][key], field_type=kind)
            config[section][key] = reference
    parameters = inspect.signature(model_class(class_name).__init__).parameters
    for key in config.model:
        if key in parameters and " | " in str(parameters[key].annotation):
            reference = ml_collections.FieldReference(config.model[key], field_type=object)
            config.model[key] = reference
    return config


def resolve(config: Config) -> ml_collections.ConfigDict:
    """Completes a config with the defaults and checks it.

    Args:
        config: any part of the keys; mappings that name a class (`learning_rate`, `upsampler`,
            `distribution`) and `recipe` are taken as they are, not merged with a default.

    Returns:
        A locked `ConfigDict` with every key, of JSON values only; folders are absolute, so that
        a run can be continued from anywhere.

    Raises:
        ValueError: If a key is unknown (names the nearest), or a value is not what it must be.
    """
    given = _plain(config)
    model = given.get("model") or {}
    if not isinstance(model, dict):
        raise ValueError(f"config key 'model' must be a mapping. Received: model={model!r}")
    defaults = _defaults(str(model.get("class_name", "WaveNet")))
    merged = _merge(defaults, given)
    _check(merged)
    for section, key in _FOLDERS:
        if merged[section][key] is not None:
            merged[section][key] = os.path.abspath(os.path.expanduser(merged[section][key]))
    return ml_collections.ConfigDict(merged, type_safe=False).lock()


def first_difference(old: Config, new: Config) -> Union[tuple[str, Any, Any], None]:
    """Finds where two resolved configs differ.

    Args:
        old: a resolved config.
        new: a resolved config.

    Returns:
        The dotted key, the value in `old` and the value in `new` of the first difference in the
        order of `new`; None if they are equal.
    """
    before, after = dict(_flat(_plain(old))), dict(_flat(_plain(new)))
    for key in [*after, *before]:
        if key not in before or key not in after or before[key] != after[key]:
            return key, before.get(key), after.get(key)
    return None


def model_class(name: str) -> type[tf.keras.Model]:
    """Returns the class of `tfwavenet.models` of that name.

    Raises:
        ValueError: If there is none; names the nearest.
    """
    if name not in models.__all__:
        raise ValueError(
            f"config key 'model.class_name' must be one of {sorted(models.__all__)}"
            f"{nearest_name(name, models.__all__)}. Received: model.class_name={name!r}"
        )
    return getattr(models, name)


def _defaults(class_name: str) -> dict[str, Any]:
    preparation = inspect.signature(prepare).parameters
    model = inspect.signature(model_class(class_name).__init__).parameters
    arguments = {
        name: parameter.default for name, parameter in model.items() if name not in _NOT_CONFIGURED
    }
    data = {ours: preparation[theirs].default for ours, theirs in _PREPARATION.items()}
    return {
        "seed": 0,
        "recipe": "speech_16k",
        "model": {"class_name": class_name, **arguments},
        "data": {
            "corpus": "bundled",
            "root": None,
            "records": None,
            **data,
            "batch_size": 8,
            "crop_frames": 40,
        },
        "training": dict(_TRAINING),
    }


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
        if key not in ("model", "data", "training"):
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
    """The error for an unknown key; suggests one of its section, or that name in another."""
    everywhere = [name for name, _ in _flat(defaults)]
    elsewhere = [name for name in everywhere if name.endswith("." + key.rsplit(".", 1)[-1])]
    hint = nearest_name(key, known) or nearest_name(key, everywhere)
    hint = f" (did you mean {elsewhere[0]!r}?)" if elsewhere else hint
    return ValueError(
        f"config key {key!r} is unknown{hint}, expected one of {', '.join(known)}. Received: {key}"
    )


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields `(dotted key, value)`; lists are values."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _check(config: dict[str, Any]) -> None:
    """Raises ValueError for the first value that is not what its key takes."""
    for key, value in _flat(config):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"config key {key!r} must be finite. Received: {key}={value!r}")
    for key, (holds, expectation) in _CHECKS.items():
        section, _, name = key.rpartition(".")
        value = config[section][name] if section else config[key]
        if not holds(value):
            raise ValueError(f"config key {key!r} must be {expectation}. Received: {key}={value!r}")
    training = config["training"]
    is_student = issubclass(model_class(config["model"]["class_name"]), ParallelWaveNet)
    if is_student != (training["teacher"] is not None):
        raise ValueError(
            "config key 'training.teacher' must be the workdir of a trained model for a student, "
            f"and None for other models. Received: training.teacher={training['teacher']!r} with "
            f"model.class_name={config['model']['class_name']!r}"
        )
    contrastive_weight = config["model"].get("contrastive_weight")
    if contrastive_weight and config["data"]["batch_size"] < 2:
        raise ValueError(
            "config key 'data.batch_size' must be at least 2 for a contrast between utterances. "
            f"Received: data.batch_size={config['data']['batch_size']} with "
            f"model.contrastive_weight={contrastive_weight}"
        )
    if training["steps"] % training["steps_per_epoch"]:
        raise ValueError(
            "config key 'training.steps' must be a multiple of training.steps_per_epoch="
            f"{training['steps_per_epoch']}. Received: training.steps={training['steps']}"
        )
    schedules.get(training["learning_rate"])
