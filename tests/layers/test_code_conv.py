import numpy as np
import pytest
import tensorflow as tf

from tests.support import streaming
from tfwavenet import rng
from tfwavenet.layers import CausalConv1D, CodeConv1D, WeightNormalization

CLASSES = 7


def codes(batch, length):
    return tf.cast(rng.randint([batch, length], rng.make_seed(length), CLASSES), tf.int32)


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_equals_the_convolution_of_one_hot_vectors(kernel_size, use_bias):
    layer = CodeConv1D(4, CLASSES, kernel_size=kernel_size, use_bias=use_bias, activation="tanh")
    inputs = codes(2, 9)
    outputs = layer(inputs)
    dense = CausalConv1D(4, kernel_size, use_bias=use_bias, activation="tanh")
    one_hot = tf.one_hot(inputs, CLASSES)
    dense.build(one_hot.shape)
    dense.set_weights(layer.get_weights())
    np.testing.assert_allclose(outputs, dense(one_hot), atol=1e-6)


@pytest.mark.parametrize("weight_norm", [False, True])
@pytest.mark.parametrize(("batch", "length"), [(1, 9), (3, 2)])
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_streaming_contract(kernel_size, batch, length, weight_norm):
    layer = CodeConv1D(4, CLASSES, kernel_size=kernel_size)
    layer = WeightNormalization(layer) if weight_norm else layer
    streaming.assert_streams(layer, codes(batch, length))


@pytest.mark.parametrize("name", ["filters", "classes", "kernel_size"])
def test_sizes_must_be_positive(name):
    sizes = {"filters": 4, "classes": CLASSES, "kernel_size": 1, name: 0}
    with pytest.raises(
        ValueError, match=f"`{name}` must be a positive integer. Received: {name}=0"
    ):
        CodeConv1D(**sizes)
