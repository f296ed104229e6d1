"""The residual block of DiffWave against its equations."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfwavenet import rng
from tfwavenet.layers import DiffusionResidualBlock


def noise(*shape, seed=0):
    return rng.normal(shape, rng.make_seed(seed)).numpy()


def convolved(x, layer):
    """Sum over the taps of shifted inputs, zeros beyond the ends."""
    kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
    reach = len(kernel) // 2 * layer.dilation_rate[0]
    padded = np.pad(x, ((0, 0), (reach, reach), (0, 0)))
    taps = range(len(kernel))
    length = x.shape[1]
    shifted = (padded[:, t * layer.dilation_rate[0] :][:, :length] for t in taps)
    return bias + sum(part @ kernel[t] for t, part in zip(taps, shifted))


def reference(block, x, step, local, speaker):
    u = (
        x
        + (step @ block.step_projection.kernel.numpy() + block.step_projection.bias.numpy())[
            :, np.newaxis
        ]
    )
    z = convolved(u, block.conv) + convolved(local, block.local_projection)
    z = z + convolved(speaker[:, np.newaxis], block.global_projection)
    half = z.shape[-1] // 2
    y = np.tanh(z[..., :half]) / (1 + np.exp(-z[..., half:]))
    kept = u if block.step_in_residual else x
    residual = convolved(y, block.residual_projection)
    return (kept + residual) / np.sqrt(2), convolved(y, block.skip_projection)


@pytest.mark.parametrize("step_in_residual", [False, True])
def test_outputs_follow_the_equations(step_in_residual):
    block = DiffusionResidualBlock(
        4,
        6,
        5,
        dilation_rate=2,
        local_channels=3,
        global_channels=2,
        step_in_residual=step_in_residual,
    )
    block.build([None, None, 4])
    for index, weight in enumerate(block.trainable_weights):
        weight.assign(noise(*weight.shape, seed=index))
    x, step, local, speaker = noise(2, 9, 4), noise(2, 5), noise(2, 9, 3), noise(2, 2)
    conditioning = block.conditioning(tf.constant(local), tf.constant(speaker))
    outputs = block(tf.constant(x), step=tf.constant(step), conditioning=conditioning)
    for one, other in zip(outputs, reference(block, x, step, local, speaker)):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_masked_samples_act_as_the_end_of_the_signal():
    block = DiffusionResidualBlock(4, 6, 5, dilation_rate=2)
    x, step = noise(1, 9, 4), tf.constant(noise(1, 5))
    mask = tf.reshape(tf.cast(tf.range(9) < 6, tf.float32), [1, 9, 1])
    padded = block(tf.constant(x), step=step, mask=mask)
    alone = block(tf.constant(x[:, :6]), step=step)
    for one, other in zip(padded, alone):
        np.testing.assert_allclose(one[:, :6], other, rtol=1e-5, atol=1e-6)


def test_the_last_block_has_no_residual_output():
    block = DiffusionResidualBlock(4, 6, 5, residual_output=False)
    output, skip = block(tf.constant(noise(1, 9, 4)), step=tf.constant(noise(1, 5)))
    assert output is None
    assert skip.shape == (1, 9, 6)
