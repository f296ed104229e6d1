"""Finds activation functions by name, as layers are given them by people and by files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras


def get(identifier: Any) -> Callable[..., Any]:
    """Returns the activation function that an identifier stands for.

    A file may name Keras' functions and registered ones. Keras itself would import any function of
    any module that a file names.

    Args:
        identifier: name of an activation function of Keras, a function, None for the identity, or
            a mapping that `keras.activations.serialize` made of a registered function.

    Raises:
        ValueError: If there is no such function.
    """
    if identifier is None or callable(identifier):
        return keras.activations.get(identifier)
    name = identifier.get("config") if isinstance(identifier, Mapping) else identifier
    found = keras.saving.get_registered_object(str(name))
    if found is not None:
        return found
    try:
        if isinstance(identifier, str):
            return keras.activations.get(identifier)
    except ValueError:
        pass
    raise ValueError(
        "Expected the name of an activation function of Keras, or a function that is registered "
        f"with Keras. Received: {identifier!r}"
    )
