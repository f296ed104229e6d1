"""Keeps a step over several replicas equal to the step of one device over the whole batch.

The rows of a global batch are dealt to the replicas in order. A random number therefore belongs to
a row of the global batch, and a mean is a mean over all its rows. Outside of a replica, and on one
device, all functions leave things as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def total(value: tf.Tensor) -> tf.Tensor:
    """Returns the sum of a value over all replicas.

    Args:
        value: number of any shape, the same shape on all replicas.
    """
    context = _several()
    return value if context is None else context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def draw(
    function: Callable[[tf.Tensor], tf.Tensor], rows: tf.Tensor, *inner: int | tf.Tensor
) -> tf.Tensor:
    """Draws random numbers for the rows of this replica.

    Every replica draws the numbers of the global batch, as one device would, and takes its rows.

    Args:
        function: draws numbers of a shape, int32 [rank], from a seed that all replicas share.
        rows: integer scalar, number of rows of this replica.
        *inner: the further dimensions, integers or integer scalars.

    Returns:
        Numbers of the shape `[rows, *inner]`.
    """
    context = _several()
    if context is None:
        return function(tf.stack([rows, *inner]))
    first, count = _place(context, rows)
    numbers = function(tf.stack([count, *inner]))
    begin = tf.stack([first, *([0] * len(inner))])
    return tf.slice(numbers, begin, tf.stack([rows, *inner]))


def count_rows(rows: tf.Tensor) -> tf.Tensor | int:
    """Returns the number of rows of the global batch.

    Args:
        rows: integer scalar, number of rows of this replica.
    """
    context = _several()
    return rows if context is None else _place(context, rows)[1]


def previous_rows(values: tf.Tensor) -> tf.Tensor:
    """Returns for each row of this replica the row before it in the global batch.

    Args:
        values: [rows, ...]. Before the first row of the global batch comes the last row.
    """
    rolled = tf.roll(values, 1, axis=0)
    context = _several()
    if context is None:
        return rolled
    rows = tf.shape(values)[0]
    everything = tf.roll(context.all_gather(values, axis=0), 1, axis=0)
    first, _ = _place(context, rows)
    return tf.ensure_shape(everything[first : first + rows], values.shape)


def _several() -> Any:
    """Returns the context of this replica; None if there is no other replica."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def _place(context: Any, rows: tf.Tensor) -> tuple[Any, Any]:
    """Returns the number of the first row of a replica in the global batch, and of all rows."""
    number, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
    known = tf.get_static_value(rows)
    if known is not None:
        # Shapes are known only where all replicas have equally many rows.
        return number * int(known), replicas * int(known)
    own = tf.one_hot(number, replicas, dtype=tf.int64) * tf.cast(rows, tf.int64)
    counts = tf.cast(context.all_reduce(tf.distribute.ReduceOp.SUM, own), tf.int32)
    return tf.reduce_sum(counts[:number]), tf.reduce_sum(counts)
