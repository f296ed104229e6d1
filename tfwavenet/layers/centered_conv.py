"""Dilated convolution that looks as far ahead as back."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfwavenet.layers.convolution import dilated_conv1d


@tf.keras.saving.register_keras_serializable("tfwavenet")
class CenteredConv1D(tf.keras.layers.Conv1D):
    """A convolution whose output at time t depends on as many later inputs as earlier ones.

    What `tf.keras.layers.Conv1D` computes with `padding="same"`, with a faster gradient on CPU.

    Args:
        filters: number of output channels, positive.
        kernel_size: number of taps, odd.
        dilation_rate: samples between taps, positive. Defaults to 1.
        **kwargs: as `tf.keras.layers.Conv1D` takes them, except `padding` and `strides`.

    Call arguments:
        inputs: [batch, time, channels].

    Returns:
        [batch, time, filters].

    Raises:
        ValueError: if `kernel_size` is even.

    Example:
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
        """How many samples ahead, and how many back, an output depends on."""
        return self.kernel_size[0] // 2 * self.dilation_rate[0]

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """The whole sequence."""
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
        """The constructor arguments."""
        config = super().get_config()
        for name in ("padding", "strides", "data_format", "groups"):
            config.pop(name)
        dilation, size = self.dilation_rate[0], self.kernel_size[0]
        return {**config, "dilation_rate": dilation, "kernel_size": size}
