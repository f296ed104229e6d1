"""Output distributions: network parameters, log-probability and samples.

A distribution tells how many channels the network puts out per sample. It computes the probability
of a value and turns uniforms into a value. It keeps no tensors, so one object serves eager mode,
graphs, XLA and saved models. All arithmetic is in float32, for parameters of any precision.

Mixture parameters are laid out `[logits | means | log-scales]`, each `components` wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from tfwavenet.checks import nearest_name
from tfwavenet.distributions.base import Distribution
from tfwavenet.distributions.categorical import Categorical
from tfwavenet.distributions.mixtures import Gaussian, MixtureOfGaussians, MixtureOfLogistics

__all__ = [
    "Categorical",
    "Distribution",
    "Gaussian",
    "MixtureOfGaussians",
    "MixtureOfLogistics",
    "get",
]

_CLASSES: dict[str, type[Distribution]] = {
    cls.__name__: cls for cls in (Categorical, Gaussian, MixtureOfGaussians, MixtureOfLogistics)
}


def get(identifier: str | Mapping[str, Any] | Distribution) -> Distribution:
    """Returns the distribution that an identifier stands for.

    Args:
        identifier: a `Distribution`; the name of a class, which is built with its defaults; or a
            mapping {"class_name": ..., "config": {...}}. The classes are "Categorical",
            "MixtureOfLogistics", "Gaussian", "MixtureOfGaussians", and classes registered with
            Keras.

    Raises:
        ValueError: if the identifier, the class name or a key of the config is unknown.

    Examples:
        >>> get({"class_name": "Categorical", "config": {"classes": 32}}).channels
        32
    """
    if isinstance(identifier, Distribution):
        return identifier
    if isinstance(identifier, str):
        return _find(identifier).from_config({})
    if isinstance(identifier, Mapping) and "class_name" in identifier:
        return _find(identifier["class_name"]).from_config(identifier.get("config") or {})
    raise ValueError(
        "distribution must be a Distribution, the name of one, or a mapping with the keys "
        f"'class_name' and 'config'. Received: distribution={identifier!r}"
    )


def _find(name: str) -> type[Distribution]:
    """Returns the class of a name, which may be registered with Keras."""
    found = _CLASSES.get(name) or keras.saving.get_registered_object(name)
    if isinstance(found, type) and issubclass(found, Distribution):
        return found
    raise ValueError(
        f"distribution {name!r} is unknown{nearest_name(name, _CLASSES)}, expected one of "
        f"{sorted(_CLASSES)}. Received: class_name={name!r}"
    )
