"""The convolution in both directions against Keras' own."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfwavenet import rng
from tfwavenet.layers import CenteredConv1D


def audio(*shape):
    return rng.normal(shape, rng.make_seed(0))


@pytest.mark.parametrize("length", [1, 4, 9])
@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (3, 1), (3, 4), (5, 3)])
def test_output_and_gradients_equal_those_of_keras(kernel_size, dilation, length):
    ours = CenteredConv1D(4, kernel_size, dilation_rate=dilation)
    of_keras = keras.layers.Conv1D(4, kernel_size, dilation_rate=dilation, padding="same")
    inputs, results = audio(2, length, 3), []
    for layer in (ours, of_keras):
        layer.build([None, None, 3])
        layer.set_weights([audio(kernel_size, 3, 4), audio(4)])
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs)
            loss = tf.reduce_sum(outputs**3)
        results.append([outputs, *tape.gradient(loss, [inputs, *layer.trainable_weights])])
    for one, other in zip(*results):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_reach_is_how_far_an_output_looks():
    layer = CenteredConv1D(1, 3, dilation_rate=4)
    layer.build([None, None, 1])
    impulse = tf.one_hot([10], 21)[..., tf.newaxis]
    touched = np.flatnonzero(layer(impulse)[0, :, 0])
    assert touched.tolist() == [10 - layer.reach, 10, 10 + layer.reach]


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match="must be odd. Received: kernel_size=2"):
        CenteredConv1D(4, 2)
