"""The gated activation unit."""

from __future__ import annotations

import tensorflow as tf


def gate(z: tf.Tensor) -> tf.Tensor:
    """`tanh` of the first half of the channels times the sigmoid of the second half.

    Source: van den Oord et al., "WaveNet", arXiv:1609.03499, equation 2.
    """
    filtered, opening = tf.split(z, 2, axis=-1)
    return tf.tanh(filtered) * tf.sigmoid(opening)
