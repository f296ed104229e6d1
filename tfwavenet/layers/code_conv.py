"""Causal convolution over one-hot codes, computed as look-ups of kernel rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfwavenet.checks import positive_integers
from tfwavenet.layers import activations, ring_buffer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tfwavenet.keras_arguments import KerasArguments

_BEFORE_THE_START = -1  # outside of the classes: the one-hot vector of this code is all zeros


@keras.saving.register_keras_serializable("tfwavenet")
class CodeConv1D(keras.layers.Layer):
    """Convolves integer codes like `CausalConv1D` convolves their one-hot vectors.

    The layer looks up rows of the kernel and needs no one-hot vectors. With one tap and no bias, it
    is an embedding. With one tap and a bias, it is the 1x1 convolution at the input of most
    WaveNets. With two taps, it is the initial causal convolution of the first WaveNets.

    Args:
        filters: int > 0, number of output channels.
        classes: int > 0, number of codes.
        kernel_size: int > 0, number of taps. Defaults to 1.
        activation: activation function or its Keras name. Defaults to None.
        use_bias: whether to add a bias. Defaults to True.

    Call arguments:
        inputs: int32 [batch, time], codes in 0 .. classes - 1. Other codes act as all-zero vectors.

    Returns:
        [batch, time, filters] of the compute dtype.

    Raises:
        ValueError: If `filters`, `classes` or `kernel_size` is not positive.

    Examples:
        >>> CodeConv1D(8, 256)(tf.zeros([1, 10], tf.int32)).shape
        TensorShape([1, 10, 8])

    Source: van den Oord et al., "WaveNet", arXiv:1609.03499, section 2.2.
    """

    def __init__(
        self,
        filters: int,
        classes: int,
        *,
        kernel_size: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Unpack[KerasArguments],
    ) -> None:
        super().__init__(**kwargs)
        positive_integers(filters=filters, classes=classes, kernel_size=kernel_size)
        self.filters = filters
        self.classes = classes
        self.kernel_size = kernel_size
        self.activation = activations.get(activation)
        self.use_bias = use_bias

    def build(self, input_shape: Any) -> None:
        """Creates the kernel [kernel_size, classes, filters] and the bias [filters]."""
        shape = (self.kernel_size, self.classes, self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        super().build(input_shape)

    @property
    def receptive_field(self) -> int:
        """Number of input samples that one output sample depends on."""
        return self.kernel_size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Looks up one kernel row per tap and sums the rows."""
        weights = self.folded_weights()
        delay = self.kernel_size - 1
        padded = tf.pad(inputs, [[0, 0], [delay, 0]], constant_values=_BEFORE_THE_START)
        length = tf.shape(inputs)[1]
        delayed = [padded[:, tap : tap + length] for tap in range(self.kernel_size)]
        return self._combine(delayed, weights)

    def _combine(self, codes: list[tf.Tensor], weights: dict[str, Any]) -> tf.Tensor:
        outputs = sum(self._look_up(table, code) for table, code in zip(weights["taps"], codes))
        if weights["bias"] is not None:
            outputs += weights["bias"]
        return outputs if self.activation is None else self.activation(outputs)

    def _look_up(self, table: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
        known = (codes >= 0) & (codes < self.classes)
        rows = tf.gather(table, tf.where(known, codes, 0))
        return tf.where(known[..., tf.newaxis], rows, tf.zeros([], table.dtype))

    def initial_state(self, batch_size: int) -> ring_buffer.State:
        """Returns the state before the first code, with a past of all-zero vectors."""
        return ring_buffer.initial_state(
            [batch_size], self.kernel_size, 1, tf.int32, fill=_BEFORE_THE_START
        )

    def state_after(self, inputs: tf.Tensor) -> ring_buffer.State:
        """Computes the state after `inputs` int32 [batch, time]."""
        return ring_buffer.state_after(inputs, self.kernel_size, 1, fill=_BEFORE_THE_START)

    def folded_weights(self) -> dict[str, Any]:
        """Returns the weights in the form of `step`: a table per tap, and the bias or None."""
        taps = tf.unstack(tf.cast(self.kernel, self.compute_dtype), self.kernel_size)
        bias = tf.cast(self.bias, self.compute_dtype) if self.use_bias else None
        return {"taps": taps, "bias": bias}

    def step(
        self, x_t: tf.Tensor, state: ring_buffer.State, weights: dict[str, Any] | None = None
    ) -> tuple[tf.Tensor, ring_buffer.State]:
        """Computes one time step.

        Args:
            x_t: int32 [batch], the present codes.
            state: the result of `initial_state`, `state_after` or the previous step.
            weights: the result of `folded_weights`. If None, the weights are folded in this step.

        Returns:
            The output [batch, filters] of the compute dtype, and the next state.
        """
        weights = self.folded_weights() if weights is None else weights
        y_t = self._combine([*ring_buffer.taps(state), x_t], weights)
        return y_t, ring_buffer.push(state, x_t)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "classes": self.classes,
            "kernel_size": self.kernel_size,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
        }
