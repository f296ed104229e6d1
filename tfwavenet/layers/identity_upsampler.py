"""No upsampling, for features that are at the sample rate already."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfwavenet.layers.upsampler import Upsampler


@tf.keras.saving.register_keras_serializable("tfwavenet")
class IdentityUpsampler(Upsampler):
    """Returns features that are at the sample rate already, one frame per sample, as they are.

    Call arguments:
        inputs: [batch, samples, channels].
        mask: optional bool [batch, samples], which does not matter.

    Returns:
        [batch, samples, channels].

    Example:
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
