import numpy as np
import pytest
import tensorflow as tf

from tests.support import streaming
from tfwavenet import rng
from tfwavenet.layers import CausalConv1D, WeightNormalization
from tfwavenet.layers.convolution import dilated_conv1d


def audio(batch, length, channels):
    return rng.normal([batch, length, channels], rng.make_seed(length))


def numpy_convolution(inputs, kernel, bias, dilation):
    batch, length, _ = inputs.shape
    outputs = np.zeros((batch, length, kernel.shape[2])) + bias
    for t in range(length):
        for tap in range(len(kernel)):
            past = t - (len(kernel) - 1 - tap) * dilation
            if past >= 0:
                outputs[:, t] += inputs[:, past] @ kernel[tap]
    return outputs


# Lengths below, at and above the receptive field of the largest kernel and dilation.
@pytest.mark.parametrize("length", [3, 11, 17])
@pytest.mark.parametrize("dilation", [1, 2, 5])
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_convolution_equals_a_loop(kernel_size, dilation, length):
    layer = CausalConv1D(4, kernel_size, dilation_rate=dilation, bias_initializer="ones")
    inputs = audio(2, length, 3)
    outputs = layer(inputs)
    expected = numpy_convolution(inputs.numpy(), layer.kernel.numpy(), 1.0, dilation)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize("weight_norm", [False, True])
@pytest.mark.parametrize(("batch", "length"), [(1, 12), (3, 4)])
@pytest.mark.parametrize("dilation", [1, 2, 5])
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_streaming_contract(kernel_size, dilation, batch, length, weight_norm):
    layer = CausalConv1D(4, kernel_size, dilation_rate=dilation, activation="tanh")
    layer = WeightNormalization(layer) if weight_norm else layer
    streaming.assert_streams(layer, audio(batch, length, 3))


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (2, 1), (2, 5), (3, 2)])
def test_no_output_sees_the_future(kernel_size, dilation):
    layer = CausalConv1D(4, kernel_size, dilation_rate=dilation)
    streaming.assert_causal(layer, audio(1, 12, 3), present=6)


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (2, 1), (2, 5), (3, 2)])
def test_receptive_field(kernel_size, dilation):
    layer = CausalConv1D(4, kernel_size, dilation_rate=dilation)
    measured = streaming.measured_receptive_field(layer, audio(1, 12, 3))
    assert layer.receptive_field == measured == (kernel_size - 1) * dilation + 1


@pytest.mark.parametrize("terms", [(), ("bias",), ("addend",), ("bias", "addend")])
@pytest.mark.parametrize(
    ("kernel_size", "dilation", "length"), [(1, 1, 9), (2, 5, 9), (3, 2, 9), (3, 5, 4)]
)
def test_gradients_equal_those_of_the_plain_convolution(kernel_size, dilation, length, terms):
    seed = rng.split(rng.make_seed(1), 2)
    variables = {"inputs": audio(2, length, 3), "kernel": rng.normal([kernel_size, 3, 4], seed[0])}
    optional = {"bias": rng.normal([4], seed[1]), "addend": audio(2, length, 4)}
    variables.update({name: optional[name] for name in terms})

    def plain(inputs, kernel, bias=0.0, addend=0.0):
        # Tap by tap: without AVX-512, TensorFlow has no gradient of a dilated convolution.
        padded = tf.pad(inputs, [[0, 0], [(kernel_size - 1) * dilation, 0], [0, 0]])
        delayed = [padded[:, tap * dilation :][:, :length] for tap in range(kernel_size)]
        products = [tf.matmul(x, kernel[tap]) for tap, x in enumerate(delayed)]
        return tf.add_n(products) + bias + addend

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch(variables)
            loss = tf.reduce_sum(function(**variables) ** 3)
        return tape.gradient(loss, variables)

    def ours(**arguments):
        return dilated_conv1d(**arguments, dilation=dilation)

    expected = gradients(plain)
    for name, gradient in gradients(ours).items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-4, atol=1e-4)
