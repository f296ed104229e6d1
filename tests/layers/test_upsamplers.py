import keras
import numpy as np
import pytest
import tensorflow as tf

from tfwavenet import rng
from tfwavenet.layers import (
    IdentityUpsampler,
    LearnedUpsampler,
    StretchUpsampler,
    TransposedUpsampler,
    upsampler,
)

CHANNELS = 5
UPSAMPLERS = {
    "stretch with input context": lambda: StretchUpsampler(
        (2, 3), padding_frames=2, input_context=True
    ),
    "stretch, cut": lambda: StretchUpsampler((4, 2), padding_frames=2, activation="tanh"),
    "stretch over frequency": lambda: StretchUpsampler(
        (3,), frequency_kernel_size=3, weight_norm=False
    ),
    "at the sample rate": IdentityUpsampler,
    "transposed": lambda: TransposedUpsampler((2, 3)),
    "transposed, overlapping": lambda: TransposedUpsampler(
        (4, 2), overlap=2, negative_slope=0.4, weight_norm=False
    ),
    "learned": lambda: LearnedUpsampler((6,), kernel_frames=3),
}
each = pytest.mark.parametrize("make", UPSAMPLERS.values(), ids=UPSAMPLERS.keys())


def built(make):
    keras.utils.set_random_seed(1)
    layer = make()
    layer.build([None, None, CHANNELS])
    for index, weight in enumerate(layer.trainable_weights):
        weight.assign_add(0.3 * rng.normal(weight.shape, rng.make_seed(index)))
    return layer


def features(frames, batch=2):
    return rng.normal([batch, frames, CHANNELS], rng.make_seed(frames))


@each
def test_output_length(make):
    layer = built(make)
    outputs = layer(features(4 + 2 * layer.padding_frames))
    assert outputs.shape == (2, 4 * layer.hop_samples, CHANNELS)


@each
@pytest.mark.parametrize(("first", "frames"), [(0, 3), (3, 4), (7, 3), (8, 6)])
def test_a_window_equals_that_part_of_the_whole(make, first, frames):
    layer, length = built(make), 10
    padding, left, right = (
        layer.padding_frames,
        layer.left_context_frames,
        layer.right_context_frames,
    )
    whole = features(length + 2 * padding)
    # What lies beyond the sequence must not matter: it is NaN-free noise, and masked.
    beyond = features(30)
    stretch = tf.concat([beyond, whole, beyond], axis=1)
    begin = 30 + first - left
    window = stretch[:, begin : begin + left + frames + right + 2 * padding]
    index = np.arange(first - left, first + frames + right)
    mask = tf.constant(np.tile((index >= 0) & (index < length), (2, 1)))
    outputs = layer.upsample_window(window, mask)
    hop = layer.hop_samples
    expected = layer(whole)[:, first * hop : (first + frames) * hop]
    known = expected.shape[1]
    assert outputs.shape[1] == frames * hop
    np.testing.assert_allclose(outputs[:, :known], expected, atol=1e-5)


@each
def test_context_frames_are_needed_and_enough(make):
    layer, length, frame = built(make), 12, 6
    padding, hop = layer.padding_frames, layer.hop_samples
    inputs = features(length + 2 * padding, batch=1)
    reference = layer(inputs).numpy()[0, frame * hop : (frame + 1) * hop]
    reaching = []
    for other in range(length + 2 * padding):
        bump = tf.one_hot([other], length + 2 * padding)[..., tf.newaxis]
        changed = layer(inputs + bump).numpy()[0, frame * hop : (frame + 1) * hop]
        if np.any(changed != reference):
            reaching.append(other - padding - frame)
    spare = 0 if getattr(layer, "input_context", True) else padding
    assert -min(reaching) <= layer.left_context_frames + padding
    assert max(reaching) <= layer.right_context_frames + padding
    assert -min(reaching) >= layer.left_context_frames + padding - 1 - spare


def test_stretching_with_averages_keeps_a_constant():
    layer = StretchUpsampler((4, 4), padding_frames=2, weight_norm=False)
    outputs = layer(tf.ones([1, 3 + 4, CHANNELS]))
    np.testing.assert_allclose(outputs, 1.0, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: StretchUpsampler((0,)),
            r"`scales` must be positive integers. Received: scales=\(0,\)",
        ),
        (lambda: StretchUpsampler((4, 0)), "`scales` must be positive integers"),
        (
            lambda: StretchUpsampler((4,), padding_frames=-1),
            "`padding_frames` must not be negative",
        ),
        (
            lambda: StretchUpsampler((4,), frequency_kernel_size=2),
            "`frequency_kernel_size` must be odd",
        ),
        (
            lambda: TransposedUpsampler((3,), overlap=2),
            "`overlap` must be 1, or 2 with even scales",
        ),
        (
            lambda: TransposedUpsampler((4,), overlap=3),
            "`overlap` must be 1, or 2 with even scales",
        ),
        (lambda: LearnedUpsampler((4, 4)), "`scales` must hold one factor"),
        (lambda: LearnedUpsampler((4,), kernel_frames=0), "`kernel_frames` must be positive"),
    ],
)
def test_arguments_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("StretchUpsampler", "keys 'class_name' and 'config'"),
        ({"class_name": "StretchUpsampler"}, "keys 'class_name' and 'config'"),
        ({"class_name": "Stretch", "config": {}}, "an upsampler of .*Received: 'Stretch'"),
        ({"class_name": "StretchUpsampler", "config": {}}, "missing.*'scales'"),
        ({"class_name": "StretchUpsampler", "config": {"scales": 7}}, "not iterable"),
        ({"class_name": "StretchUpsampler", "config": {"scales": [0]}}, "positive integers"),
        (
            {"class_name": "StretchUpsampler", "config": {"scales": [4], "padding_frames": -1}},
            "must not be negative",
        ),
    ],
)
def test_what_is_no_upsampler_is_refused_in_a_sentence(identifier, message):
    with pytest.raises(ValueError, match=message) as error:
        upsampler.get(identifier)
    assert "\n" not in str(error.value)


def image(frames):
    return features(frames)[..., tf.newaxis]


@pytest.mark.parametrize("frequency_kernel_size", [1, 3])
@pytest.mark.parametrize("scale", [1, 3, 4])
def test_a_stage_that_stretches_equals_repeating_and_convolving(scale, frequency_kernel_size):
    layer = StretchUpsampler((scale,), frequency_kernel_size=frequency_kernel_size)
    stage = layer.smoothing[0].layer
    stage.build([None, None, CHANNELS, 1])
    kernel = rng.normal(stage.kernel.shape, rng.make_seed(1))
    stage.kernel.assign(kernel)
    expected = tf.nn.conv2d(tf.repeat(image(5), scale, axis=1), kernel, 1, "SAME")
    np.testing.assert_allclose(stage(image(5)), expected, atol=1e-5)


@pytest.mark.parametrize("frequency_kernel_size", [1, 3])
@pytest.mark.parametrize(("scale", "overlap"), [(1, 1), (3, 1), (2, 2), (4, 2)])
def test_a_transposed_stage_equals_keras(scale, overlap, frequency_kernel_size):
    size = (overlap * scale, frequency_kernel_size)
    oracle = keras.layers.Conv2DTranspose(1, size, strides=(scale, 1), padding="same")
    stage = TransposedUpsampler(
        (scale,), overlap=overlap, frequency_kernel_size=frequency_kernel_size, weight_norm=False
    ).stages[0]
    assert_equal_with_random_weights(stage, oracle, image(5))


@pytest.mark.parametrize(("stride", "kernel_frames"), [(6, 1), (3, 2), (4, 3)])
def test_the_learned_convolution_equals_keras(stride, kernel_frames):
    layer = built(lambda: LearnedUpsampler((stride,), kernel_frames=kernel_frames))
    oracle = keras.layers.Conv1DTranspose(CHANNELS, stride * kernel_frames, strides=stride)
    # Keras goes on behind the last frame.
    assert_equal_with_random_weights(layer.conv, oracle, features(5), length=5 * stride)


def assert_equal_with_random_weights(layer, oracle, inputs, length=None):
    for each_layer in (layer, oracle):
        if not each_layer.built:
            each_layer.build([None, None, *inputs.shape[2:]])
        for index, weight in enumerate(each_layer.weights):
            weight.assign(rng.normal(weight.shape, rng.make_seed(index)))
    np.testing.assert_allclose(layer(inputs), oracle(inputs)[:, :length], atol=1e-5)
