"""The gated activation unit."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfwavenet.layers.convolution import summed_over_time
from tfwavenet.layers.fusion import fusible


@tf.custom_gradient
def gate(z: tf.Tensor, *conditioning: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Multiplies `tanh` of the first half of the channels by the sigmoid of the second half.

    The gradient stores only the inputs and computes the intermediate values again. That takes less
    time than storing and reading the values.

    Args:
        z: float [batch, time, channels] or [batch, channels], with an even number of channels.
        *conditioning: terms that are added to `z`, of the shape of `z` or with one time step.

    Returns:
        [batch, time, channels / 2] or [batch, channels / 2] of the dtype of `z`.

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
    # The halves are not concatenated here: XLA would compile that to a slow loop over elements.
    to_filtered = upstream * opening * (1 - filtered * filtered)
    to_opening = upstream * filtered * opening * (1 - opening)
    return to_filtered, to_opening


def _summed_to(gradient: tf.Tensor, term: tf.Tensor) -> tf.Tensor:
    is_broadcast = gradient.shape.rank == 3 and term.shape[1] == 1
    return summed_over_time(gradient) if is_broadcast else gradient
