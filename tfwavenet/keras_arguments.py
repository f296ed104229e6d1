"""The type of the arguments that models and layers hand on to Keras."""

from __future__ import annotations

from typing import Any, TypedDict


class KerasArguments(TypedDict, total=False):
    """Arguments of every Keras model and layer, for `**kwargs: Unpack[KerasArguments]`.

    With this type a misspelt argument is an error of the type checker, not one of `**kwargs`.

    Attributes:
        name: name of the model or layer.
        dtype: precision policy or its name, such as "float32" or "mixed_bfloat16".
        trainable: whether training changes the weights.
    """

    name: str
    dtype: Any
    trainable: bool
