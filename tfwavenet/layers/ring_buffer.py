"""State of a causal convolution: delay lines, the samples to be read next, and a cursor.

Each past tap has a delay line of its own, a ring of `dilation` samples. The following tap feeds the
ring, so that every ring is written once and read once per step.

A step first writes to the rings. From each ring just written it then reads the sample that the
*next* step needs. The state holds these samples as small tensors. If a step read first, or read
twice from one ring, XLA could not update the rings in place. XLA would then copy the whole rings at
every step.

In a loop over many steps the lines are arrays, see `opened`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

# {"lines": a tensor [dilation, batch, ...] per past tap, oldest first, or a tf.TensorArray of that
#  size; "taps": a tensor [batch, ...] per past tap; "cursor": int32 []}. A kernel of one tap has no
#  past, and its state is ().
State = Any


def initial_state(
    sample_shape: Sequence[int], kernel_size: int, dilation: int, dtype: Any, fill: float = 0
) -> State:
    """Returns the state after a past of constant samples.

    Args:
        sample_shape: shape of one time step, [batch, ...].
        kernel_size: int > 0, number of taps, the present tap included.
        dilation: int > 0, samples between taps.
        dtype: dtype of the samples.
        fill: value of the past samples.

    Returns:
        The state before the first step.
    """
    if kernel_size == 1:
        return ()
    line = tf.fill([dilation, *sample_shape], tf.cast(fill, dtype))
    return _with_taps([line] * (kernel_size - 1), tf.zeros([], tf.int32))


def state_after(inputs: tf.Tensor, kernel_size: int, dilation: int, fill: float = 0) -> State:
    """Computes the state after all samples of a sequence, as `push` would for one after another.

    Args:
        inputs: [batch, time, ...], the sequence.
        kernel_size: int > 0, number of taps, the present tap included.
        dilation: int > 0, samples between taps.
        fill: value of the samples before the sequence.
    """
    if kernel_size == 1:
        return ()
    size = (kernel_size - 1) * dilation
    sequence = tf.transpose(inputs, [1, 0, *range(2, inputs.shape.rank)])
    before = tf.fill(tf.concat([[size], tf.shape(sequence)[1:]], 0), tf.cast(fill, inputs.dtype))
    recent = tf.concat([before, sequence], axis=0)[-size:]
    # Sample t is in slot t % dilation of the line that holds the sample.
    cursor = tf.shape(inputs)[1] % dilation
    lines = [tf.roll(line, cursor, axis=0) for line in tf.split(recent, kernel_size - 1)]
    return _with_taps(lines, cursor)


def taps(state: State) -> list[tf.Tensor]:
    """Returns the past samples that this step needs, oldest first, each [batch, ...]."""
    return state["taps"] if state else []


def push(state: State, x_t: tf.Tensor) -> State:
    """Returns the state after one more sample `x_t` [batch, ...]."""
    if not state:
        return ()
    cursor, entering = state["cursor"], [*state["taps"][1:], x_t]
    lines = [_written(line, cursor, x) for line, x in zip(state["lines"], entering)]
    return _with_taps(lines, (cursor + 1) % _length(lines[0]))


def opened(state: State) -> State:
    """Returns the state for a loop of `push`, with each line as a `tf.TensorArray`.

    XLA cannot know that the index of a tensor's row is in range. Before XLA writes to the row, it
    therefore reads the old row, number by number. That took a fifth of the time of a step.
    """
    if not state:
        return ()
    return {**state, "lines": [_array(line) for line in state["lines"]]}


def closed(state: State) -> State:
    """Returns the state after a loop, with each line as a tensor again: the inverse of `opened`."""
    if not state:
        return ()
    return {**state, "lines": [line.stack() for line in state["lines"]]}


def where(rows: tf.Tensor, state: State, other: State) -> State:
    """Returns `state` for the rows of the batch that are True, and `other` for the other rows.

    The result has the cursor of `other`, so that the samples of `other` keep their slots. The
    samples of `state` are rotated to that cursor.

    Args:
        rows: bool [batch].
        state: a state after some number of steps.
        other: a state of the same convolution, possibly after another number of steps.
    """
    if not state:
        return ()
    turned = [tf.roll(line, other["cursor"] - state["cursor"], axis=0) for line in state["lines"]]
    lines = [
        tf.where(tf.reshape(rows, [1, -1, *[1] * (line.shape.rank - 2)]), line, kept)
        for line, kept in zip(turned, other["lines"])
    ]
    return _with_taps(lines, other["cursor"])


def _with_taps(lines: list[tf.Tensor], cursor: tf.Tensor) -> State:
    return {"lines": lines, "taps": [_read(line, cursor) for line in lines], "cursor": cursor}


def _array(line: tf.Tensor) -> tf.TensorArray:
    array = tf.TensorArray(
        line.dtype, size=line.shape[0], element_shape=line.shape[1:], clear_after_read=False
    )
    return array.unstack(line)


def _length(line: Any) -> Any:
    return line.size() if isinstance(line, tf.TensorArray) else line.shape[0]


def _read(line: Any, index: tf.Tensor) -> tf.Tensor:
    return line.read(index) if isinstance(line, tf.TensorArray) else line[index]


def _written(line: Any, index: tf.Tensor, x_t: tf.Tensor) -> Any:
    if isinstance(line, tf.TensorArray):
        return line.write(index, x_t)
    return tf.tensor_scatter_nd_update(line, [[index]], x_t[tf.newaxis])
