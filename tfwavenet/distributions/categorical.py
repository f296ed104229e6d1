"""Categorical distribution over codes."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfwavenet.checks import whole_number
from tfwavenet.distributions.base import (
    Distribution,
    Temperature,
    checked_temperature,
    gumbel,
    largest,
)

_LOWEST_TEMPERATURE = 1e-6  # below, all but the most likely code have no probability


@keras.saving.register_keras_serializable("tfwavenet")
class Categorical(Distribution):
    """Categorical distribution over codes, usually mu-law codes.

    Sampling takes the largest of `logits + temperature * gumbel`, the Gumbel-max trick. Shapes:
    params floating [..., classes], value int32 [...], noise float32 [..., classes].

    Args:
        classes: int, at least 2, number of codes, `channels` and `noise_channels`.

    Raises:
        ValueError: if `classes` is not an integer of at least 2.

    Examples:
        >>> distribution = Categorical(classes=4)
        >>> logits = tf.constant([0.0, 3.0, 0.0, 0.0])
        >>> int(distribution.mode(logits))
        1

    Source: van den Oord et al., "WaveNet: a generative model for raw audio", 2016, section 2.2.
    """

    def __init__(self, classes: int = 256) -> None:
        self.classes = whole_number("classes", classes, 2)
        self.channels = self.noise_channels = self.classes
        self.discrete = True
        self.value_dtype = tf.int32

    def log_prob(self, params: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """Returns log p(value | params); `value` is int32 in [0, classes)."""
        logits = tf.cast(params, tf.float32)
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=value, logits=logits)

    def nucleus(
        self, params: tf.Tensor, top_p: tf.Tensor, temperature: Temperature = 1.0
    ) -> tf.Tensor:
        """Keeps the fewest most likely codes that have `top_p` of the probability.

        Args:
            params: floating [..., classes].
            top_p: float32 scalar in (0, 1].
            temperature: scalar, at least 0, at which the probability is computed.

        Returns:
            float32 [..., classes]: logits, which are too low to be drawn for all other codes.

        Source: Holtzman et al., "The Curious Case of Neural Text Degeneration",
        arXiv:1904.09751, section 3.1.
        """
        logits = tf.cast(params, tf.float32)
        scaled = logits / tf.maximum(checked_temperature(temperature), _LOWEST_TEMPERATURE)
        probabilities = tf.sort(tf.nn.softmax(scaled), axis=-1, direction="DESCENDING")
        before = tf.cumsum(probabilities, axis=-1, exclusive=True)
        inside = tf.where(before < top_p, probabilities, 1.0)
        least = tf.reduce_min(inside, axis=-1, keepdims=True)
        return tf.where(tf.nn.softmax(scaled) >= least, logits, logits.dtype.min)

    def most_likely(self, params: tf.Tensor, top_k: tf.Tensor) -> tf.Tensor:
        """Keeps the `top_k` most likely codes; lower codes win ties.

        Args:
            params: floating [..., classes].
            top_k: int32 scalar, 1 up to `classes`.

        Returns:
            float32 [..., classes]: logits, which are too low to be drawn for all other codes.

        Source: Fan et al., "Hierarchical Neural Story Generation", arXiv:1805.04833, section 5.
        """
        logits = tf.cast(params, tf.float32)
        ordered = tf.sort(logits, axis=-1, direction="DESCENDING")
        least = tf.gather(ordered, [top_k - 1], axis=-1)
        above, equal = logits > least, logits == least
        places = top_k - tf.reduce_sum(tf.cast(above, tf.int32), axis=-1, keepdims=True)
        first = tf.cumsum(tf.cast(equal, tf.int32), axis=-1) <= places
        return tf.where(above | (equal & first), logits, logits.dtype.min)

    def standard_noise(self, noise: tf.Tensor) -> tf.Tensor:
        """Transforms uniforms into Gumbel noise, see `Distribution.standard_noise`."""
        return gumbel(noise)

    def draw(
        self, params: tf.Tensor, standard: tf.Tensor, temperature: Temperature = 1.0
    ) -> tf.Tensor:
        """Returns codes, int32 [...], see `Distribution.draw`."""
        return largest(tf.cast(params, tf.float32) + checked_temperature(temperature) * standard)
