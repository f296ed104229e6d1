"""Categorical distribution over codes."""

from __future__ import annotations

import tensorflow as tf

from tfwavenet.distributions.base import (
    Distribution,
    Temperature,
    checked_count,
    checked_temperature,
    gumbel_argmax,
)


@tf.keras.saving.register_keras_serializable("tfwavenet")
class Categorical(Distribution):
    """Categorical distribution over codes, usually mu-law codes.

    Sampling is the Gumbel-max trick: the largest of `logits + temperature * gumbel`.

    Args:
        classes: int, at least 2. Number of codes; `channels` and `noise_channels` equal it.

    Raises:
        ValueError: If `classes` is not an integer of at least 2.

    Example:
        >>> distribution = Categorical(classes=4)
        >>> logits = tf.constant([0.0, 3.0, 0.0, 0.0])
        >>> int(distribution.mode(logits))
        1

    Reference: van den Oord et al., "WaveNet: a generative model for raw audio", 2016, section 2.2.
    """

    def __init__(self, classes: int = 256) -> None:
        self.classes = checked_count("classes", classes, 2)
        self.channels = self.noise_channels = self.classes
        self.discrete = True
        self.value_dtype = tf.int32

    def log_prob(self, params: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """See `Distribution.log_prob`; `value` is int32 in [0, classes)."""
        logits = tf.cast(params, tf.float32)
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=value, logits=logits)

    def sample(
        self, params: tf.Tensor, noise: tf.Tensor, temperature: Temperature = 1.0
    ) -> tf.Tensor:
        """See `Distribution.sample`; returns int32 codes [...]."""
        return gumbel_argmax(tf.cast(params, tf.float32), noise, checked_temperature(temperature))
