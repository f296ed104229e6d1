import keras
import numpy as np
import pytest
import tensorflow as tf

from tfwavenet import rng
from tfwavenet.layers import CausalConv1D, WeightNormalization


def inputs(*shape):
    return rng.normal(shape, rng.make_seed(0))


LAYERS = [
    (lambda: keras.layers.Dense(4), (2, 3), 1),
    (lambda: keras.layers.Conv1D(4, 3), (2, 9, 3), 2),
    (lambda: CausalConv1D(4, 2, dilation_rate=2), (2, 9, 3), 2),
    (lambda: keras.layers.Conv2D(4, (3, 2)), (2, 5, 5, 3), 3),
    (lambda: keras.layers.Conv1DTranspose(4, 3), (2, 9, 3), 1),
    (lambda: keras.layers.Conv2DTranspose(4, (3, 2)), (2, 5, 5, 3), 2),
]


@pytest.mark.parametrize(("make", "shape", "filter_axis"), LAYERS)
def test_wrapping_changes_nothing_at_first(make, shape, filter_axis):
    layer = WeightNormalization(make())
    outputs = layer(inputs(*shape))
    np.testing.assert_allclose(outputs, layer.layer(inputs(*shape)), atol=1e-6)


@pytest.mark.parametrize(("make", "shape", "filter_axis"), LAYERS)
def test_g_is_the_norm_of_each_filter(make, shape, filter_axis):
    layer = WeightNormalization(make())
    layer.build([None, *shape[1:]])
    layer.g.assign(tf.range(1.0, 5.0))
    kernel = np.moveaxis(layer.effective_kernel().numpy(), filter_axis, 0)
    norms = np.linalg.norm(kernel.reshape(4, -1), axis=1)
    np.testing.assert_allclose(norms, [1, 2, 3, 4], rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    reference = WeightNormalization(CausalConv1D(4, 2))
    expected = reference(inputs(2, 9, 3))
    keras.mixed_precision.set_global_policy(policy)
    layer = WeightNormalization(CausalConv1D(4, 2))
    layer.build([None, None, 3])
    layer.set_weights(reference.get_weights())
    outputs = layer(inputs(2, 9, 3))
    assert outputs.dtype == keras.mixed_precision.global_policy().compute_dtype
    assert layer.g.dtype == layer.v.dtype == tf.float32
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), expected, atol=0.05)


def test_a_filter_of_zeros_starts_at_zero_and_can_be_trained():
    layer = WeightNormalization(keras.layers.Dense(4, kernel_initializer="zeros", use_bias=False))
    with tf.GradientTape() as tape:
        outputs = layer(inputs(2, 3))
        loss = tf.reduce_sum(outputs)
    np.testing.assert_array_equal(outputs, 0.0)
    assert np.all(tape.gradient(loss, layer.g).numpy() != 0.0)


def test_the_kernel_stays_a_variable_and_weights_keep_their_order():
    layer = WeightNormalization(keras.layers.Dense(4))
    layer.build([None, 3])
    kernel, names = layer.layer.kernel, [weight.name for weight in layer.weights]
    tf.function(layer)(inputs(2, 3))
    assert layer.layer.kernel is kernel
    assert [weight.name for weight in layer.weights] == names
    assert len(layer.weights) == len(layer.trainable_weights) == 3


def test_a_recurrent_layer_is_refused():
    with pytest.raises(ValueError, match="not a recurrent one. Received: layer="):
        WeightNormalization(keras.layers.LSTM(3))


def test_a_layer_without_a_kernel_is_refused():
    with pytest.raises(ValueError, match="Expected a layer with a kernel. Received: layer="):
        WeightNormalization(keras.layers.Activation("relu"))(inputs(2, 3))


def test_remove_points_to_the_folded_kernel():
    with pytest.raises(NotImplementedError, match="effective_kernel"):
        WeightNormalization(keras.layers.Dense(4)).remove()
