"""Upsampling by transposed convolutions over the time-frequency image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfwavenet.layers import polyphase
from tfwavenet.layers.upsampler import Upsampler, context_of, masked
from tfwavenet.layers.weight_norm import WeightNormalization

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tfwavenet.keras_arguments import KerasArguments


@keras.saving.register_keras_serializable("tfwavenet")
class TransposedUpsampler(Upsampler):
    """Upsamples by transposed convolutions of the (time, frequency) image, stage by stage.

    The image has one channel: the feature channels are the frequency axis.

    Args:
        scales: sequence of int > 0, upsampling factor (stride) of each stage.
        overlap: 1 or 2, extent of a stage's filter in time, in units of the stride. With 1, the
            samples of a frame depend on that frame only. With 2, the scales must be even. Defaults
            to 1.
        frequency_kernel_size: int > 0, odd, extent of the filters over channels. Defaults to 3.
        negative_slope: float, slope of the leaky ReLU after each stage. With 0, the leaky ReLU is a
            ReLU. Defaults to 0.
        weight_norm: whether the filters are weight normalized. Defaults to True.

    Call arguments:
        inputs: float [batch, frames, channels].
        mask: bool [batch, frames], False for frames outside of the sequence. If None, all frames
            belong to the sequence.

    Returns:
        [batch, frames * hop_samples, channels] of the compute dtype.

    Raises:
        ValueError: If a scale is not positive, or `overlap` is neither 1 nor 2 with even scales.

    Examples:
        >>> TransposedUpsampler((16, 16), overlap=2, negative_slope=0.4)(tf.ones([1, 3, 80])).shape
        TensorShape([1, 768, 80])

    Source: r9y9/wavenet_vocoder up to v0.1 (overlap 1, ReLU); the spectrogram upsampler of
    lmnt-com/diffwave (two stages of 16, overlap 2, slope 0.4, no weight normalization).
    """

    def __init__(
        self,
        scales: Sequence[int],
        *,
        overlap: int = 1,
        frequency_kernel_size: int = 3,
        negative_slope: float = 0.0,
        weight_norm: bool = True,
        **kwargs: Unpack[KerasArguments],
    ) -> None:
        super().__init__(scales, **kwargs)
        if overlap not in (1, 2) or (overlap == 2 and any(scale % 2 for scale in scales)):
            raise ValueError(
                "`overlap` must be 1, or 2 with even scales. "
                f"Received: overlap={overlap}, scales={scales}"
            )
        self.overlap = overlap
        self.frequency_kernel_size = frequency_kernel_size
        self.negative_slope = negative_slope
        self.weight_norm = weight_norm
        self.stages = [self._stage(scale) for scale in self.scales]

    def _stage(self, scale: int) -> keras.layers.Layer:
        layer = _TransposedStage(
            scale,
            self.overlap,
            self.frequency_kernel_size,
            dtype=self.dtype_policy,
            name=f"transposed_by_{scale}",
        )
        return WeightNormalization(layer) if self.weight_norm else layer

    def build(self, input_shape: Any) -> None:
        """Creates the filters of all stages."""
        for stage in self.stages:
            stage.build([None, None, None, 1])
        super().build([None, None, input_shape[-1]])

    @property
    def left_context_frames(self) -> int:
        """Number of earlier frames that a frame's samples depend on."""
        return context_of(self.scales) if self.overlap > 1 else 0

    @property
    def right_context_frames(self) -> int:
        """Number of later frames that a frame's samples depend on."""
        return self.left_context_frames

    def call(self, inputs: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Upsamples stage by stage."""
        image, rate = inputs[..., tf.newaxis], 1
        for scale, stage in zip(self.scales, self.stages):
            image = tf.nn.leaky_relu(stage(masked(image, mask, rate)), self.negative_slope)
            rate *= scale
        return tf.squeeze(image, -1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        config = {
            "overlap": self.overlap,
            "frequency_kernel_size": self.frequency_kernel_size,
            "negative_slope": self.negative_slope,
            "weight_norm": self.weight_norm,
        }
        return {**super().get_config(), **config}


class _TransposedStage(keras.layers.Conv2DTranspose):
    """Convolves an image [batch, frames, channels, 1] along its frames, transposed."""

    def __init__(self, scale: int, overlap: int, frequency_kernel_size: int, **kwargs: Any) -> None:
        size = (overlap * scale, frequency_kernel_size)
        super().__init__(1, size, strides=(scale, 1), padding="same", **kwargs)
        self._meeting = polyphase.transposed(scale, overlap)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Upsamples [batch, frames, channels, 1] to [batch, frames * scale, channels, 1]."""
        # A transposed filter is reversed over channels, too.
        kernel = tf.reverse(self.kernel[:, :, 0, 0], [1])
        return polyphase.upsampled(inputs, kernel, self._meeting) + self.bias
