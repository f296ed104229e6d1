"""Upsampling by one transposed convolution that mixes all channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfwavenet.layers.convolution import dilated_conv1d
from tfwavenet.layers.upsampler import Upsampler, masked


@keras.saving.register_keras_serializable("tfwavenet")
class LearnedUpsampler(Upsampler):
    """Upsamples by one transposed convolution over time that mixes all channels.

    The output is cut on the right after the samples of the last frame.

    Args:
        scales: sequence of one int > 0, the stride.
        kernel_frames: int > 0, extent of the filter in frames. A frame affects its own samples and
            the samples of the following `kernel_frames - 1` frames. Defaults to 4.

    Call arguments:
        inputs: float [batch, frames, channels].
        mask: bool [batch, frames], False for frames outside of the sequence. If None, all frames
            belong to the sequence.

    Returns:
        [batch, frames * hop_samples, channels] of the compute dtype.

    Raises:
        ValueError: If `scales` does not hold exactly one positive factor, or `kernel_frames` is not
            positive.

    Examples:
        >>> LearnedUpsampler((200,))(tf.ones([1, 3, 80])).shape
        TensorShape([1, 600, 80])

    Source: NVIDIA/nv-wavenet, `pytorch/wavenet.py`.
    """

    def __init__(self, scales: Sequence[int], *, kernel_frames: int = 4, **kwargs: Any) -> None:
        super().__init__(scales, **kwargs)
        if len(self.scales) != 1:
            raise ValueError(f"`scales` must hold one factor. Received: scales={scales}")
        if kernel_frames < 1:
            raise ValueError(
                f"`kernel_frames` must be positive. Received: kernel_frames={kernel_frames}"
            )
        self.kernel_frames = kernel_frames

    def build(self, input_shape: Any) -> None:
        """Creates the filter [kernel_frames * hop_samples, channels, channels] and the bias."""
        channels = input_shape[-1]
        self.conv = _TransposedConv(
            channels,
            self.kernel_frames * self.hop_samples,
            strides=self.hop_samples,
            name="transposed_conv",
            dtype=self.dtype_policy,
        )
        self.conv.build([None, None, channels])
        super().build([None, None, channels])

    @property
    def left_context_frames(self) -> int:
        """Number of earlier frames that a frame's samples depend on."""
        return self.kernel_frames - 1

    def call(self, inputs: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Convolves, without the samples that would follow the last frame."""
        return self.conv(masked(inputs, mask, 1))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {**super().get_config(), "kernel_frames": self.kernel_frames}


class _TransposedConv(keras.layers.Conv1DTranspose):
    """Computes a transposed convolution up to the last frame's own samples, at the frame rate.

    All samples of a frame are channels of one convolution over the frames, since XLA has no fast
    transposed convolution for CPUs.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Upsamples [batch, frames, channels] to [batch, frames * stride, filters]."""
        stride, channels = self.strides[0], inputs.shape[-1]
        kernel = tf.reshape(self.kernel, [-1, stride, self.filters, channels])
        # The first tap multiplies the earliest frame that affects a sample, the last tap the
        # present frame.
        kernel = tf.transpose(tf.reverse(kernel, [0]), [0, 3, 1, 2])
        kernel = tf.reshape(kernel, [-1, channels, stride * self.filters])
        outputs = dilated_conv1d(inputs, kernel)
        batch, frames = tf.shape(inputs)[0], tf.shape(inputs)[1]
        return tf.reshape(outputs, [batch, frames * stride, self.filters]) + self.bias
