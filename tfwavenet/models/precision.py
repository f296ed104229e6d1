"""Sets the precision in which a model is built."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def precision_policy(name: str) -> Iterator[None]:
    """Sets Keras' global precision policy, and the old one again at the end.

    Args:
        name: "float32", "mixed_bfloat16" or "mixed_float16".
    """
    old = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(old)
