"""Digests of models, by which saved streams are told apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import keras

# What Keras adds to a configuration differs with its version, and names count layers of a process.
_OF_KERAS = ("name", "dtype", "trainable")


def fingerprint(model: Any) -> str:
    """Returns a digest of a model's configuration and weights, equal in every process.

    Args:
        model: a built model of this package.
    """
    config = json.loads(json.dumps(model.get_config(), default=keras.saving.serialize_keras_object))
    digest = hashlib.sha256(json.dumps(_own(config), sort_keys=True).encode())
    digest.update(model.compute_dtype.encode())
    # Sorted: the order of a layer's weights depends on which of them are frozen.
    weights = (weight for layer in model.layers for weight in layer.weights)
    for each in sorted(hashlib.sha256(weight.numpy().tobytes()).digest() for weight in weights):
        digest.update(each)
    return digest.hexdigest()


def _own(config: Any) -> Any:
    """Returns a configuration without what Keras adds to it."""
    if isinstance(config, Mapping):
        return {key: _own(value) for key, value in config.items() if key not in _OF_KERAS}
    return config
