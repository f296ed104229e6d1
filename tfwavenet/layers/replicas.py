"""Keeps a step over several replicas equal to the step of one device over the whole batch.

The rows of a global batch are dealt to the replicas in order, and a replica may go through its rows
in parts. A random number therefore belongs to a row of the global batch, and a mean is a mean over
all its rows. On one device with the whole batch, all functions leave things as they are.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Optional

import tensorflow as tf

_state = threading.local()


class _Part(NamedTuple):
    """Rows of a global batch: number of the first, of all rows, and of all samples that count."""

    first: Any
    count: Any
    samples: tf.Tensor


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
    if _several() is None and _part() is None:
        return function(tf.stack([rows, *inner]))
    first, count = place(rows)
    numbers = function(tf.stack([count, *inner]))
    begin = tf.stack([first, *([0] * len(inner))])
    return tf.slice(numbers, begin, tf.stack([rows, *inner]))


def count_samples(mask: tf.Tensor) -> tf.Tensor:
    """Returns how many samples of the global batch count, a float scalar.

    Args:
        mask: [rows, samples] of this replica, of booleans or of zeros and ones.
    """
    part = _part()
    if part is not None:
        return part.samples
    dtype = mask.dtype if mask.dtype.is_floating else tf.float32
    return total(tf.reduce_sum(tf.cast(mask, dtype)))


@contextlib.contextmanager
def part(first: Any, count: Any, samples: tf.Tensor) -> Iterator[None]:
    """Computes with some rows of a global batch inside the block; no replica asks others there.

    Args:
        first: number of the first row in the global batch.
        count: number of rows of the global batch.
        samples: number of samples of the global batch that count, from `count_samples`.
    """
    _state.part = _Part(first, count, samples)
    try:
        yield
    finally:
        _state.part = None


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
    first, _ = place(rows)
    return tf.ensure_shape(everything[first : first + rows], values.shape)


def _several() -> Any:
    """Returns the context of this replica; None if there is no other replica."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def _part() -> Optional[_Part]:
    return getattr(_state, "part", None)


def place(rows: tf.Tensor) -> tuple[Any, Any]:
    """Returns where the rows of this replica are in the global batch.

    Args:
        rows: integer scalar, number of rows of this replica.

    Returns:
        The number of the first row, and of all rows of the global batch; integers or tensors.
    """
    part, context = _part(), _several()
    if part is not None:
        return part.first, part.count
    if context is None:
        return 0, rows
    number, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
    known = tf.get_static_value(rows)
    if known is not None:
        # Shapes are known only where all replicas have equally many rows.
        return number * int(known), replicas * int(known)
    own = tf.one_hot(number, replicas, dtype=tf.int64) * tf.cast(rows, tf.int64)
    counts = tf.cast(context.all_reduce(tf.distribute.ReduceOp.SUM, own), tf.int32)
    return tf.reduce_sum(counts[:number]), tf.reduce_sum(counts)
