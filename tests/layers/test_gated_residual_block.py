import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.support import streaming
from tfwavenet import rng
from tfwavenet.layers import GatedResidualBlock

RESIDUAL, GATE, SKIP, LOCAL, GLOBAL = 3, 8, 5, 2, 6


def random(shape, seed):
    return rng.normal(shape, rng.make_seed(seed))


def block(**kwargs):
    layer = GatedResidualBlock(RESIDUAL, GATE, SKIP, dilation_rate=2, **kwargs)
    layer.build([None, None, RESIDUAL])
    return layer


def numpy_block(layer, x, local, speaker):
    """The equations of the docstring, with the layers' own effective weights."""

    def dense(projection, values):
        weights = projection.folded_weights()
        bias = 0 if weights["bias"] is None else weights["bias"].numpy()
        return values @ weights["taps"][0].numpy() + bias

    weights = layer.conv.folded_weights()
    past = np.pad(x, ((0, 0), (2, 0), (0, 0)))[:, : x.shape[1]]
    z = past @ weights["taps"][0].numpy() + x @ weights["taps"][1].numpy()
    z = z + weights["bias"].numpy() + dense(layer.local_projection, local)
    z = z + dense(layer.global_projection, speaker)[:, np.newaxis]
    y = np.tanh(z[..., : GATE // 2]) / (1 + np.exp(-z[..., GATE // 2 :]))
    output = (dense(layer.residual_projection, y) + x) * layer.residual_scale
    return output, dense(layer.skip_projection, y)


@pytest.mark.parametrize("residual_scale", [1.0, 0.5**0.5])
def test_equations(residual_scale):
    layer = block(
        local_channels=LOCAL,
        global_channels=GLOBAL,
        local_bias=True,
        global_bias=True,
        residual_scale=residual_scale,
    )
    x, local, speaker = (
        random([2, 9, RESIDUAL], 1),
        random([2, 9, LOCAL], 2),
        random([2, GLOBAL], 3),
    )
    outputs = layer(x, local_inputs=local, global_inputs=speaker)
    for ours, theirs in zip(outputs, numpy_block(layer, x.numpy(), local.numpy(), speaker.numpy())):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("weight_norm", [False, True])
@pytest.mark.parametrize(
    ("local_channels", "global_channels"), list(itertools.product([None, LOCAL], [None, GLOBAL]))
)
def test_streaming_contract(local_channels, global_channels, weight_norm):
    layer = block(
        local_channels=local_channels, global_channels=global_channels, weight_norm=weight_norm
    )
    x = random([3, 11, RESIDUAL], 1)
    local = random([3, 11, LOCAL], 2) if local_channels else None
    speaker = random([3, GLOBAL], 3) if global_channels else None
    conditioning = layer.conditioning(local, speaker)
    rows = None if conditioning is None else tf.broadcast_to(conditioning, [3, 11, GATE])
    state, outputs = layer.state_after(x[:, :4]), []
    for t in range(4, 11):
        conditioning_t = None if rows is None else rows[:, t]
        output_t, state = layer.step(x[:, t], state, conditioning_t)
        outputs.append(output_t)
    whole = layer(x, local_inputs=local, global_inputs=speaker)
    for steps, expected in zip(zip(*outputs), whole):
        np.testing.assert_allclose(np.stack(steps, 1), expected[:, 4:], atol=1e-5)


def test_last_block_may_lack_the_residual_projection():
    layer = block(residual_output=False)
    output, skip = layer(random([1, 5, RESIDUAL], 1))
    assert output is None and skip.shape == (1, 5, SKIP)
    (output, skip), _ = layer.step(random([1, RESIDUAL], 1), layer.initial_state(1))
    assert output is None and skip.shape == (1, SKIP)


def test_dropout_is_a_function_of_the_seed():
    layer, x = block(dropout=0.5), random([1, 64, RESIDUAL], 1)
    first, again, other, none = (
        layer(x, dropout_seed=seed)[1].numpy()
        for seed in (rng.make_seed(1), rng.make_seed(1), rng.make_seed(2), None)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other) and np.any(first != none)


def test_receptive_field():
    layer = block(kernel_size=3)
    measured = streaming.measured_receptive_field(
        lambda x: layer(x)[1], random([1, 9, RESIDUAL], 1)
    )
    assert layer.receptive_field == measured == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"gate_channels": 7},
            "`gate_channels` must be positive and even. Received: gate_channels=7",
        ),
        (
            {"gate_channels": 8, "dropout": 1.0},
            r"`dropout` must be in \[0, 1\). Received: dropout=1.0",
        ),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        GatedResidualBlock(RESIDUAL, skip_channels=SKIP, **arguments)
