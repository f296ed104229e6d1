"""What the conformance tests compare with."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# Largest difference relative to the largest value, by the precision of the computation.
TOLERANCE = {"float32": 2e-6, "mixed_bfloat16": 6e-2, "mixed_float16": 6e-3}


def through_json(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration as it comes back from a file."""
    return json.loads(json.dumps(config, default=keras.saving.serialize_keras_object))


def flat(outputs: Any) -> list[np.ndarray]:
    """The tensors of a nest, as float64 arrays."""
    return [np.asarray(t, np.float64) for t in tf.nest.flatten(outputs) if t is not None]


def assert_same(actual: Any, expected: Any) -> None:
    """Asserts that two nests of tensors agree to the bit."""
    for one, other in zip(flat(actual), flat(expected)):
        np.testing.assert_array_equal(one, other)


def assert_close(actual: Any, expected: Any, precision: str = "float32") -> None:
    """Asserts that two nests of tensors agree as well as the precision allows."""
    assert len(flat(actual)) == len(flat(expected))
    for one, other in zip(flat(actual), flat(expected)):
        bound = TOLERANCE[precision] * np.max(np.abs(other))
        np.testing.assert_allclose(one, other, rtol=0, atol=bound)
