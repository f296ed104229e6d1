"""The gated activation unit."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfwavenet.layers.convolution import summed_over_time
from tfwavenet.layers.fusion import fusible


@tf.custom_gradient
def gate(z: tf.Tensor, *conditioning: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """`tanh` of the first half of the channels times the sigmoid of the second half.

    The gradient keeps nothing but the inputs: what it needs of the outputs is computed again,
    which takes less time than to store and to read it.

    Args:
        z: [batch, time, channels] or [batch, channels].
        *conditioning: of that shape or with one time step, added to `z`.

    Returns:
        [..., channels / 2].

    Source: van den Oord et al., "WaveNet", arXiv:1609.03499, equations 2 and 3.
    """

    def gradients(upstream: tf.Tensor) -> list[tf.Tensor]:
        to_z = tf.concat(_gate_gradient(upstream, z, *conditioning), axis=-1)
        return [to_z, *(_summed_to(to_z, term) for term in conditioning)]

    return _gate(z, *conditioning), gradients


@fusible
def _gate(*terms: tf.Tensor) -> tf.Tensor:
    filtered, opening = tf.split(sum(terms[1:], terms[0]), 2, axis=-1)
    return tf.tanh(filtered) * tf.sigmoid(opening)


@fusible
def _gate_gradient(upstream: tf.Tensor, *terms: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    filtered, opening = tf.split(sum(terms[1:], terms[0]), 2, axis=-1)
    filtered, opening = tf.tanh(filtered), tf.sigmoid(opening)
    # Not concatenated here: of that XLA makes a slow loop over single elements.
    to_filtered = upstream * opening * (1 - filtered * filtered)
    to_opening = upstream * filtered * opening * (1 - opening)
    return to_filtered, to_opening


def _summed_to(gradient: tf.Tensor, term: tf.Tensor) -> tf.Tensor:
    is_broadcast = gradient.shape.rank == 3 and term.shape[1] == 1
    return summed_over_time(gradient) if is_broadcast else gradient
