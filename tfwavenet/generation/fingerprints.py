"""Digests of models, by which saved streams are told apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import keras


def fingerprint(model: Any) -> str:
    """Returns a digest of a model's configuration and weights, equal in every process."""
    config = json.loads(json.dumps(model.get_config(), default=keras.saving.serialize_keras_object))
    digest = hashlib.sha256(json.dumps(_without_names(config), sort_keys=True).encode())
    for weight in model.weights:
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()


def _without_names(config: Any) -> Any:
    """Returns a configuration without the names of layers, which count the layers of a process."""
    if isinstance(config, Mapping):
        return {key: _without_names(value) for key, value in config.items() if key != "name"}
    return config
