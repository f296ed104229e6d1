"""The streaming contract: stepping through a sequence gives what the whole sequence gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

TOLERANCE = 2e-6


def stepped(layer: Any, inputs: tf.Tensor, state: Any = None) -> tuple[np.ndarray, Any]:
    """The outputs of `layer.step` over `inputs` [batch, time, ...], and the last state."""
    state = layer.initial_state(inputs.shape[0]) if state is None else state
    outputs = []
    for x_t in tf.unstack(inputs, axis=1):
        y_t, state = layer.step(x_t, state)
        outputs.append(y_t)
    return np.stack(outputs, axis=1), state


def assert_streams(layer: Any, inputs: tf.Tensor) -> None:
    """Asserts that steps equal the call, from the start and from a state in the middle."""
    whole = layer(inputs).numpy()
    bound = TOLERANCE * np.max(np.abs(whole))
    outputs, _ = stepped(layer, inputs)
    np.testing.assert_allclose(outputs, whole, rtol=0, atol=bound)
    middle = inputs.shape[1] // 2
    rest, _ = stepped(layer, inputs[:, middle:], layer.state_after(inputs[:, :middle]))
    np.testing.assert_allclose(rest, whole[:, middle:], rtol=0, atol=bound)


def assert_causal(layer: Any, inputs: tf.Tensor, present: int) -> None:
    """Asserts that outputs up to `present` are finite although all later inputs are NaN."""
    time = tf.range(inputs.shape[1])[tf.newaxis, :, tf.newaxis]
    poisoned = tf.where(time > present, np.nan, inputs)
    outputs = layer(poisoned).numpy()
    assert np.isfinite(outputs[:, : present + 1]).all()
    assert np.isnan(outputs[:, present + 1 :]).any()


def measured_receptive_field(function: Any, inputs: tf.Tensor) -> int:
    """How many of the last inputs change the last output when they are perturbed."""
    reference = function(inputs).numpy()[:, -1]
    length = inputs.shape[1]
    for time in range(length):
        bump = tf.one_hot([time], length)[..., tf.newaxis]
        if np.any(function(inputs + bump).numpy()[:, -1] != reference):
            return length - time
    return 0
