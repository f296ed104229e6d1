"""Dilated convolution with as many later as earlier taps."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfwavenet.layers.convolution import dilated_conv1d


@keras.saving.register_keras_serializable("tfwavenet")
class CenteredConv1D(keras.layers.Conv1D):
    """Convolves around each sample, over as many later inputs as earlier inputs.

    The outputs equal the outputs of `keras.layers.Conv1D` with `padding="same"`. The gradient is
    faster on CPU.

    Args:
        filters: int > 0, number of output channels.
        kernel_size: int > 0, odd, number of taps.
        dilation_rate: int > 0, samples between taps. Defaults to 1.
        **kwargs: further arguments of `keras.layers.Conv1D`, except `padding` and `strides`.

    Call arguments:
        inputs: float [batch, time, channels].

    Returns:
        [batch, time, filters] of the compute dtype.

    Raises:
        ValueError: If `kernel_size` is even.

    Examples:
        >>> CenteredConv1D(8, 3, dilation_rate=4)(tf.ones([1, 10, 3])).shape
        TensorShape([1, 10, 8])

    Source: Kong et al., "DiffWave", arXiv:2009.09761, section 3.
    """

    def __init__(
        self, filters: int, kernel_size: int, *, dilation_rate: int = 1, **kwargs: Any
    ) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f"`kernel_size` must be odd. Received: kernel_size={kernel_size}")
        super().__init__(
            filters, kernel_size, dilation_rate=dilation_rate, padding="same", **kwargs
        )

    @property
    def reach(self) -> int:
        """Number of later samples, and of earlier samples, that one output sample depends on."""
        return self.kernel_size[0] // 2 * self.dilation_rate[0]

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolves the whole sequence."""
        kernel = tf.cast(self.kernel, self.compute_dtype)
        bias = tf.cast(self.bias, self.compute_dtype) if self.use_bias else None
        outputs = dilated_conv1d(
            tf.cast(inputs, self.compute_dtype),
            kernel,
            bias,
            dilation=self.dilation_rate[0],
            future_taps=self.kernel_size[0] // 2,
        )
        return outputs if self.activation is None else self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        config = super().get_config()
        for name in ("padding", "strides", "data_format", "groups"):
            config.pop(name)
        dilation, size = self.dilation_rate[0], self.kernel_size[0]
        return {**config, "dilation_rate": dilation, "kernel_size": size}
