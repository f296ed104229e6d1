"""Causal dilated convolution with an incremental buffer."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfwavenet.layers import ring_buffer
from tfwavenet.layers.convolution import dilated_conv1d


@keras.saving.register_keras_serializable("tfwavenet")
class CausalConv1D(keras.layers.Conv1D):
    """Convolves causally: the output at time t depends on inputs up to time t only.

    `call` computes the whole sequence, and `step` computes one time step. Both use the same
    weights and agree to rounding. The past inputs are a value, the state:
    `initial_state(batch_size)` creates the state, and each step takes a state and returns the next.

    Args:
        filters: int > 0, number of output channels.
        kernel_size: int > 0, number of taps; the last tap multiplies the present sample.
        dilation_rate: int > 0, samples between taps. Defaults to 1.
        **kwargs: further arguments of `keras.layers.Conv1D`, except `padding` and `strides`.

    Call arguments:
        inputs: float [batch, time, channels].

    Returns:
        [batch, time, filters] of the compute dtype.

    Examples:
        >>> layer = CausalConv1D(8, 2, dilation_rate=4)
        >>> layer(tf.ones([1, 10, 3])).shape
        TensorShape([1, 10, 8])
        >>> y_t, state = layer.step(tf.ones([1, 3]), layer.initial_state(1))

    Source: van den Oord et al., "WaveNet", arXiv:1609.03499, section 2.1; incremental form:
    Le Paine et al., "Fast Wavenet Generation Algorithm", arXiv:1611.09482.
    """

    def __init__(
        self, filters: int, kernel_size: int, *, dilation_rate: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(
            filters, kernel_size, dilation_rate=dilation_rate, padding="causal", **kwargs
        )

    @property
    def _dilation(self) -> int:
        return self.dilation_rate[0]

    @property
    def receptive_field(self) -> int:
        """Number of input samples that one output sample depends on."""
        return (self.kernel_size[0] - 1) * self._dilation + 1

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolves the whole sequence."""
        kernel = tf.cast(self.kernel, self.compute_dtype)
        bias = tf.cast(self.bias, self.compute_dtype) if self.use_bias else None
        outputs = dilated_conv1d(inputs, kernel, bias, dilation=self._dilation)
        return outputs if self.activation is None else self.activation(outputs)

    def initial_state(self, batch_size: int) -> ring_buffer.State:
        """Returns the state before the first sample, with a past of zeros."""
        channels = self.kernel.shape[1]
        return ring_buffer.initial_state(
            [batch_size, channels], self.kernel_size[0], self._dilation, self.compute_dtype
        )

    def state_after(self, inputs: tf.Tensor) -> ring_buffer.State:
        """Computes the state after `inputs` [batch, time, channels], as after that many steps."""
        inputs = tf.cast(inputs, self.compute_dtype)
        return ring_buffer.state_after(inputs, self.kernel_size[0], self._dilation)

    def folded_weights(self) -> dict[str, Any]:
        """Returns the weights in the form of `step`: a matrix per tap, and the bias or None."""
        taps = tf.unstack(tf.cast(self.kernel, self.compute_dtype), self.kernel_size[0])
        bias = tf.cast(self.bias, self.compute_dtype) if self.use_bias else None
        return {"taps": taps, "bias": bias}

    def step(
        self, x_t: tf.Tensor, state: ring_buffer.State, weights: dict[str, Any] | None = None
    ) -> tuple[tf.Tensor, ring_buffer.State]:
        """Computes one time step.

        Args:
            x_t: float [batch, channels], the present sample.
            state: the result of `initial_state`, `state_after` or the previous step.
            weights: the result of `folded_weights`, which many steps can share. If None, the
                weights are folded in this step.

        Returns:
            The output [batch, filters] of the compute dtype, and the next state.
        """
        weights = self.folded_weights() if weights is None else weights
        x_t = tf.cast(x_t, self.compute_dtype)
        *past, present = weights["taps"]
        y_t = tf.matmul(x_t, present)
        for x_past, kernel in zip(ring_buffer.taps(state), past):
            y_t += tf.matmul(x_past, kernel)
        if weights["bias"] is not None:
            y_t += weights["bias"]
        y_t = y_t if self.activation is None else self.activation(y_t)
        return y_t, ring_buffer.push(state, x_t)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        config = super().get_config()
        for name in ("padding", "strides", "data_format", "groups"):
            config.pop(name)
        return {**config, "dilation_rate": self._dilation, "kernel_size": self.kernel_size[0]}
