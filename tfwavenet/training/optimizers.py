"""Makes the optimizer of a config, by the name that Keras gives it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras
import ml_collections

from tfwavenet.checks import nearest_name
from tfwavenet.training import schedules
from tfwavenet.training.optimizer import MeasuredAdam

# These come from keys of their own.
_OF_CONFIG = ("learning_rate", "global_clipnorm")


def of_config(training: ml_collections.ConfigDict) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a run.

    Args:
        training: the section `training` of a resolved config.

    Raises:
        ValueError: If there is no such optimizer, or an argument or a value is not valid.
    """
    rate = training.learning_rate
    common = {
        "learning_rate": schedules.get(_plain(rate)),
        "global_clipnorm": training.clip_norm,
    }
    cls, arguments = check(_plain(training.optimizer))
    if cls is keras.optimizers.Adam and not arguments:
        return MeasuredAdam(
            beta_1=training.beta_1, beta_2=training.beta_2, epsilon=training.epsilon, **common
        )
    try:
        return cls(**arguments, **common)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the optimizer {cls.__name__} must get arguments that it takes ({error}). "
            f"Received: training.optimizer config={arguments}"
        ) from error


def check(identifier: Any) -> tuple[type[keras.optimizers.Optimizer], dict[str, Any]]:
    """Returns the class and the arguments that a value of `training.optimizer` stands for.

    Args:
        identifier: name of an optimizer, or a mapping with the keys "class_name" and "config".

    Raises:
        ValueError: If there is no such optimizer, or it has no such argument.
    """
    name, arguments = _parts(identifier)
    cls = _class_of(name)
    known = set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs", "name"}
    for key in arguments:
        if key not in known or key in _OF_CONFIG:
            raise ValueError(
                f"the optimizer {name} has no argument {key!r}{nearest_name(key, known)} beside "
                f"those of the config. Received: training.optimizer config={arguments}"
            )
    return cls, arguments


def _parts(identifier: Any) -> tuple[str, dict[str, Any]]:
    """Returns class name and arguments of a name, or of a mapping with both."""
    if isinstance(identifier, str):
        return identifier, {}
    named = isinstance(identifier, Mapping) and isinstance(identifier.get("class_name"), str)
    arguments = (identifier.get("config") or {}) if named else None
    if not isinstance(arguments, Mapping) or set(identifier) - {"class_name", "config"}:
        raise ValueError(
            "training.optimizer must be a name, or a mapping with the keys 'class_name' and "
            f"'config'. Received: training.optimizer={identifier!r}"
        )
    return identifier["class_name"], dict(arguments)


def _class_of(name: str) -> type[keras.optimizers.Optimizer]:
    """Returns the optimizer of Keras of that name."""
    base = keras.optimizers.Optimizer
    known = {
        key: cls
        for key, cls in vars(keras.optimizers).items()
        if inspect.isclass(cls) and issubclass(cls, base) and cls is not base
    }
    known.pop("LossScaleOptimizer", None)  # `training.precision` chooses it
    if name not in known:
        raise ValueError(
            f"training.optimizer must be one of {', '.join(sorted(known))}"
            f"{nearest_name(name, known)}. Received: training.optimizer={name!r}"
        )
    return known[name]


def _plain(value: Any) -> Any:
    return value.to_dict() if isinstance(value, ml_collections.ConfigDict) else value
