"""The residual block of DiffWave against its equations."""

from __future__ import annotations

import ast
import functools
import os
import pathlib
import platform
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from tfwavenet import rng
from tfwavenet.layers import DiffusionResidualBlock
from tfwavenet.layers.fusion import fused_elementwise


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


def test_a_stack_carries_what_its_blocks_return_one_by_one():
    blocks = [DiffusionResidualBlock(4, 6, 5, dilation_rate=2**i) for i in range(3)]
    x, step = tf.constant(noise(2, 9, 4)), tf.constant(noise(2, 5))
    carried = tf.concat([x, tf.zeros([2, 9, 6])], axis=-1)
    total = tf.zeros([2, 9, 6])
    for index, block in enumerate(blocks):
        x, skip = block(x, step=step)
        total += skip
        carried = block.advance(carried, step, gain=2 ** (index / 2))
    expected = tf.concat([x * 2**1.5, total], axis=-1)
    np.testing.assert_allclose(carried, expected, rtol=1e-5, atol=1e-5)


def plain_advance(block, carried, step, conditioning, mask, *, gain):
    """The equations in plain operations, of which TensorFlow derives the gradients."""
    channels = block.residual_channels
    residual, total = carried[..., :channels] / gain, carried[..., channels:]
    offset = (step @ block.step_projection.kernel + block.step_projection.bias)[:, tf.newaxis]
    shifted = (residual + offset) * mask
    # Tap by tap: without AVX-512, TensorFlow has no gradient of a dilated convolution.
    padded = tf.pad(shifted, [[0, 0], [2, 2], [0, 0]])
    length = shifted.shape[1]
    taps = [padded[:, 2 * tap :][:, :length] @ block.conv.kernel[tap] for tap in range(3)]
    z = tf.add_n(taps) + block.conv.bias
    first, second = tf.split(z + conditioning, 2, axis=-1)
    y = tf.tanh(first) * tf.sigmoid(second)
    to_residual, to_skip = (
        y @ layer.kernel[0] + layer.bias
        for layer in (block.residual_projection, block.skip_projection)
    )
    kept = residual + offset if block.step_in_residual else residual
    return tf.concat([gain * (kept + to_residual), total + to_skip], axis=-1)


@pytest.mark.parametrize("is_fused", [False, True])
@pytest.mark.parametrize("step_in_residual", [False, True])
def test_gradients_are_those_that_tensorflow_derives(step_in_residual, is_fused):
    block = DiffusionResidualBlock(4, 6, 5, dilation_rate=2, step_in_residual=step_in_residual)
    block.build([None, None, 4])
    given = [tf.constant(noise(*shape)) for shape in ([2, 9, 10], [2, 5], [2, 9, 8])]
    mask = tf.cast(tf.reshape(tf.range(18) % 7 > 0, [2, 9, 1]), tf.float32)
    sources = [*given, *block.trainable_weights]

    def gradients(advance):
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = tf.reduce_sum(advance(*given, mask, gain=2**1.5) ** 3)
        return tape.gradient(loss, sources)

    @tf.function
    def ours():
        if not is_fused:
            return gradients(block.advance)
        with fused_elementwise():
            return gradients(block.advance)

    expected = gradients(functools.partial(plain_advance, block))
    for one, other in zip(ours(), expected):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * np.abs(other).max())


def executed_nodes(program, *arguments):
    """The operations that TensorFlow ran, after its own optimisations."""
    context.context().enable_graph_collection()
    try:
        program(*arguments)
        metadata = context.context().export_run_metadata()
    finally:
        context.context().disable_graph_collection()
    graphs = [graph for call in metadata.function_graphs for graph in call.partition_graphs]
    return [node for graph in graphs for node in graph.node]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN's operations are of x86")
def test_sums_are_part_of_the_convolutions_on_cpu():
    # In a process of its own: TensorFlow uses oneDNN by itself on processors with AVX-512 only.
    code = "from tests.layers import test_diffusion_residual_block as t; print(t.operations())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=pathlib.Path(__file__).parents[2],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    fused, elementwise = ast.literal_eval(done.stdout.splitlines()[-1])
    assert sorted(fused) == [[b"BiasAdd"], [b"BiasAdd", b"Add"]]
    assert not elementwise


def operations():
    """The fused operations of the convolutions of a block, and what is left beside them."""
    block = DiffusionResidualBlock(16, 16, 5)
    block.build([None, None, 16])

    @tf.function
    def program(carried, step, conditioning):
        with fused_elementwise():
            return block.advance(carried, step, conditioning)

    nodes = executed_nodes(
        program,
        tf.constant(noise(1, 64, 32)),
        tf.constant(noise(1, 5)),
        tf.constant(noise(1, 64, 32)),
    )
    fused = [list(n.attr["fused_ops"].list.s) for n in nodes if "FusedConv2D" in n.op]
    return fused, [n.op for n in nodes if n.op in ("Add", "AddV2", "AddN", "Tanh", "Sigmoid")]
