"""The embedding of diffusion steps against its formula."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfwavenet.layers import DiffusionStepEmbedding
from tfwavenet.layers.step_embedding import frequencies


def test_frequencies_are_those_of_the_published_network():
    exact = 10.0 ** (4.0 * np.arange(64) / 63.0)
    np.testing.assert_allclose(frequencies("ascending"), exact, rtol=6e-7)
    # specs of lmnt-com/diffwave: most differ from the rounded value by the last bit or two.
    assert np.sum(frequencies("ascending") == exact.astype(np.float32)) == 19
    np.testing.assert_allclose(frequencies("descending"), 1 / exact, rtol=6e-7)


def reference(layer, steps):
    """The embedding before the dense layers: float64 [steps, 128]."""
    angles = np.float32(steps)[:, np.newaxis] * frequencies(layer.order)
    return np.concatenate([np.sin(np.float64(angles)), np.cos(np.float64(angles))], axis=1)


def dense(layer, x):
    for each in layer.dense:
        x = x @ each.kernel.numpy() + each.bias.numpy()
        x = x / (1 + np.exp(-x))
    return x


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_whole_steps(order):
    layer = DiffusionStepEmbedding(50, 16, order=order)
    output = layer(tf.constant([0, 7, 49]))
    np.testing.assert_allclose(output, dense(layer, reference(layer, [0, 7, 49])), atol=2e-6)


def test_fractional_steps_lie_between_their_neighbours():
    layer = DiffusionStepEmbedding(50, 16)
    output = layer(tf.constant([7.25]))
    rows = reference(layer, [7, 8])
    expected = dense(layer, 0.75 * rows[:1] + 0.25 * rows[1:])
    np.testing.assert_allclose(output, expected, atol=2e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "`steps` must be a positive integer. Received: steps=0"),
        (
            {"steps": 5, "channels": 0},
            "`channels` must be a positive integer. Received: channels=0",
        ),
        ({"steps": 5, "order": "up"}, "`order` must be one of .* Received: order='up'"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiffusionStepEmbedding(**arguments)
