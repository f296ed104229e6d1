"""Upsampling by nearest-neighbor stretching and smoothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfwavenet.layers import activations, polyphase
from tfwavenet.layers.upsampler import Upsampler, context_of, masked
from tfwavenet.layers.weight_norm import WeightNormalization

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tfwavenet.keras_arguments import KerasArguments


@keras.saving.register_keras_serializable("tfwavenet")
class StretchUpsampler(Upsampler):
    """Repeats each frame and smooths along time, stage by stage, with one filter for all channels.

    With `input_context=True`, the layer begins with a convolution over whole frames. That
    convolution has `2 * padding_frames + 1` taps and no padding. With `input_context=False`, the
    outermost `padding_frames` are upsampled with the other frames and then cut off.

    Args:
        scales: sequence of int > 0, upsampling factor of each stage. The filter of a stage spans
            `2 * scale + 1` samples.
        padding_frames: int >= 0, additional input frames at each end. Defaults to 0.
        input_context: whether the layer begins with a convolution over frames. Defaults to False.
        frequency_kernel_size: int > 0, odd, extent of the smoothing filters over channels. Defaults
            to 1.
        activation: activation function after each stage, or its Keras name. Defaults to None.
        weight_norm: whether the smoothing filters are weight normalized. Defaults to True.

    Call arguments:
        inputs: float [batch, frames + 2 * padding_frames, channels].
        mask: bool [batch, frames], False for frames outside of the sequence. If None, all frames
            belong to the sequence.

    Returns:
        [batch, frames * hop_samples, channels] of the compute dtype.

    Raises:
        ValueError: If a scale is not positive, `padding_frames` is negative, or
            `frequency_kernel_size` is even.

    Examples:
        >>> layer = StretchUpsampler((4, 4), padding_frames=2, input_context=True)
        >>> layer(tf.ones([1, 3 + 2 * 2, 80])).shape
        TensorShape([1, 48, 80])

    Source: `ConvInUpsampleNetwork` and `UpsampleNetwork` of r9y9/wavenet_vocoder, v0.2; the
    upsampler of CODEJIN/WaveNet.
    """

    def __init__(
        self,
        scales: Sequence[int],
        *,
        padding_frames: int = 0,
        input_context: bool = False,
        frequency_kernel_size: int = 1,
        activation: Any = None,
        weight_norm: bool = True,
        **kwargs: Unpack[KerasArguments],
    ) -> None:
        super().__init__(scales, **kwargs)
        if padding_frames < 0:
            raise ValueError(
                f"`padding_frames` must not be negative. Received: padding_frames={padding_frames}"
            )
        if frequency_kernel_size % 2 == 0:
            raise ValueError(
                "`frequency_kernel_size` must be odd. "
                f"Received: frequency_kernel_size={frequency_kernel_size}"
            )
        self.padding_frames = padding_frames
        self.input_context = input_context
        self.frequency_kernel_size = frequency_kernel_size
        self.activation = activations.get(activation)
        self.weight_norm = weight_norm
        self.smoothing = [self._smoothing_layer(scale) for scale in self.scales]

    def _smoothing_layer(self, scale: int) -> keras.layers.Layer:
        layer = _SmoothedStretching(
            scale,
            self.frequency_kernel_size,
            activation=self.activation,
            dtype=self.dtype_policy,
            name=f"stretching_by_{scale}",
        )
        return WeightNormalization(layer) if self.weight_norm else layer

    def build(self, input_shape: Any) -> None:
        """Creates the filters of all stages, and of the convolution over frames if there is one."""
        channels = input_shape[-1]
        if self.input_context:
            self.input_conv = keras.layers.Conv1D(
                channels, 2 * self.padding_frames + 1, use_bias=False, dtype=self.dtype_policy
            )
            self.input_conv.build([None, None, channels])
        for layer in self.smoothing:
            layer.build([None, None, None, 1])
        super().build([None, None, channels])

    @property
    def left_context_frames(self) -> int:
        """Number of earlier frames that a frame's samples depend on, beyond `padding_frames`."""
        return context_of(self.scales)

    @property
    def right_context_frames(self) -> int:
        """Number of later frames that a frame's samples depend on, beyond `padding_frames`."""
        return context_of(self.scales)

    def call(self, inputs: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Stretches and smooths stage by stage."""
        if self.input_context:
            inputs = self.input_conv(inputs)
        elif mask is not None:
            mask = self._with_padding_frames(mask)
        image, rate = inputs[..., tf.newaxis], 1
        for scale, smooth in zip(self.scales, self.smoothing):
            image = smooth(masked(image, mask, rate))
            rate *= scale
        outputs = tf.squeeze(image, -1)
        return outputs if self.input_context else self._cut(outputs)

    def _with_padding_frames(self, mask: tf.Tensor) -> tf.Tensor:
        """Extends the mask [batch, frames] to [batch, frames + 2 * padding_frames].

        The result is True within `padding_frames` of each frame of the sequence, since the padding
        frames belong to the sequence too.
        """
        reach = 2 * self.padding_frames
        padded = tf.pad(mask, [[0, 0], [reach, reach]])
        length = tf.shape(mask)[1] + reach
        return tf.reduce_any([padded[:, i : i + length] for i in range(reach + 1)], axis=0)

    def _cut(self, outputs: tf.Tensor) -> tf.Tensor:
        margin = self.padding_frames * self.hop_samples
        return outputs[:, margin : tf.shape(outputs)[1] - margin]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        config = {
            "padding_frames": self.padding_frames,
            "input_context": self.input_context,
            "frequency_kernel_size": self.frequency_kernel_size,
            "activation": keras.activations.serialize(self.activation),
            "weight_norm": self.weight_norm,
        }
        return {**super().get_config(), **config}


class _SmoothedStretching(keras.layers.Conv2D):
    """Repeats the frames of an image [batch, frames, channels, 1] and convolves the result."""

    def __init__(self, scale: int, frequency_kernel_size: int, **kwargs: Any) -> None:
        size = (2 * scale + 1, frequency_kernel_size)
        average = keras.initializers.Constant(1 / (size[0] * size[1]))
        super().__init__(1, size, use_bias=False, kernel_initializer=average, **kwargs)
        self._meeting = polyphase.stretching(scale)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Upsamples [batch, frames, channels, 1] to [batch, frames * scale, channels, 1]."""
        image = polyphase.upsampled(inputs, self.kernel[:, :, 0, 0], self._meeting)
        return self.activation(image)
