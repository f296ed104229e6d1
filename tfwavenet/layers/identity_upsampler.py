"""Upsampler for features that are at the sample rate already."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfwavenet.layers.upsampler import Upsampler


@keras.saving.register_keras_serializable("tfwavenet")
class IdentityUpsampler(Upsampler):
    """Returns features unchanged, since the features have one frame per sample already.

    Call arguments:
        inputs: float [batch, samples, channels].
        mask: bool [batch, samples], or None. The mask has no effect.

    Returns:
        The inputs, [batch, samples, channels] of the compute dtype.

    Examples:
        >>> IdentityUpsampler()(tf.ones([1, 10, 80])).shape
        TensorShape([1, 10, 80])
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__((), **kwargs)

    def call(self, inputs: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Returns the inputs."""
        del mask
        return tf.cast(inputs, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        config = super().get_config()
        config.pop("scales")
        return config
