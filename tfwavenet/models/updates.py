"""Makes one update of a model: of a whole batch at once, or of its parts one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfwavenet import keras_versions
from tfwavenet.layers import replicas
from tfwavenet.layers.fusion import fused_elementwise


def update(model: Any, batch: Mapping[str, tf.Tensor], parts: int) -> None:
    """Updates the weights by the gradient of the loss on a batch.

    In parts, the update is that of the whole batch up to rounding: random numbers belong to rows,
    and the mean is one over all samples of the batch that count. Memory is that of one part.

    Args:
        model: a compiled `AudioModel`.
        batch: see `AudioModel`. Of several replicas, each has its rows.
        parts: number of parts, at least 1; the number of rows is a multiple of it.

    Raises:
        ValueError: If the rows cannot be divided into parts.
    """
    with fused_elementwise():
        if parts == 1:
            with tf.GradientTape() as tape:
                # Optimizers add the gradients of the replicas up.
                loss = model._loss(batch, training=True)
            keras_versions.minimize(model.optimizer, loss, model.trainable_variables, tape=tape)
        else:
            gradients = _sum_over_parts(model, batch, parts)
            keras_versions.apply_scaled(model.optimizer, gradients, model.trainable_variables)


def _sum_over_parts(model: Any, batch: Mapping[str, tf.Tensor], parts: int) -> list[tf.Tensor]:
    """Returns the gradients of the scaled loss on a batch, which is computed part by part."""
    rows = tf.shape(batch["audio"])[0]
    _check_rows(rows, parts)
    # Replicas cannot ask each other inside of a loop.
    first, count = replicas.place(rows)
    samples = replicas.count_samples(model._mask(batch))
    divided = {name: _divided(value, parts) for name, value in batch.items()}
    variables = model.trainable_variables

    def add(part: tf.Tensor, *sums: tf.Tensor) -> list[tf.Tensor]:
        own = {name: value[part] for name, value in divided.items()}
        place = replicas.part(first + part * (rows // parts), count, samples)
        with place, tf.GradientTape() as tape:
            loss = model._loss(own, training=True)
            scaled = keras_versions.scaled_loss(model.optimizer, loss)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(scaled, variables, unconnected_gradients=zero)
        return [part + 1, *(total + one for total, one in zip(sums, gradients))]

    zeros = [tf.zeros(variable.shape, variable.dtype) for variable in variables]
    return tf.while_loop(
        lambda part, *_: part < parts, add, [tf.constant(0), *zeros], maximum_iterations=parts
    )[1:]


def _divided(value: tf.Tensor, parts: int) -> tf.Tensor:
    """Returns [rows, ...] as [parts, rows / parts, ...]."""
    rows = None if value.shape[0] is None else value.shape[0] // parts
    shape = tf.concat([[parts, -1], tf.shape(value)[1:]], axis=0)
    return tf.ensure_shape(tf.reshape(value, shape), [parts, rows, *value.shape[1:]])


def _check_rows(rows: tf.Tensor, parts: int) -> None:
    sentence = f"The rows of a batch must be a multiple of accumulate={parts}. Received: rows="
    known = tf.get_static_value(rows)
    if known is None:
        tf.debugging.Assert(rows % parts == 0, [sentence, rows])
    elif known % parts:
        raise ValueError(f"{sentence}{known}")
