"""The past of a causal convolution as a value: delay lines, the taps to be read next, cursor.

Each past tap has a delay line of its own, a ring of `dilation` samples that is fed by the tap after
it, so that every ring is written once and read once per step. A step writes first and then reads,
from the ring just written, the sample that the *next* step needs; these reads travel in the state
as small tensors. In the other order, or with two reads from one ring, XLA cannot update the rings
in place and copies the whole of them at every step.

A loop over many steps holds the lines as arrays, see `opened`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

# {"lines": one [dilation, batch, ...] per past tap, oldest first, or a tf.TensorArray of that
#  size, "taps": one [batch, ...] each, "cursor": int32 []}, or () for a kernel of one tap, which
#  has no past.
State = Any


def initial_state(
    sample_shape: Sequence[int], kernel_size: int, dilation: int, dtype: Any, fill: float = 0
) -> State:
    """The state that a past of constant samples leaves.

    Args:
        sample_shape: shape of one time step, [batch, ...].
        kernel_size: number of taps, the present one included.
        dilation: samples between taps.
        dtype: of the samples.
        fill: the value of the past samples.

    Returns:
        The state before the first step.
    """
    if kernel_size == 1:
        return ()
    line = tf.fill([dilation, *sample_shape], tf.cast(fill, dtype))
    return _with_taps([line] * (kernel_size - 1), tf.zeros([], tf.int32))


def state_after(inputs: tf.Tensor, kernel_size: int, dilation: int, fill: float = 0) -> State:
    """The state that pushing `inputs` [batch, time, ...] one by one leaves."""
    if kernel_size == 1:
        return ()
    size = (kernel_size - 1) * dilation
    sequence = tf.transpose(inputs, [1, 0, *range(2, inputs.shape.rank)])
    before = tf.fill(tf.concat([[size], tf.shape(sequence)[1:]], 0), tf.cast(fill, inputs.dtype))
    recent = tf.concat([before, sequence], axis=0)[-size:]
    # Sample t lives in slot t % dilation of whichever line it has reached.
    cursor = tf.shape(inputs)[1] % dilation
    lines = [tf.roll(line, cursor, axis=0) for line in tf.split(recent, kernel_size - 1)]
    return _with_taps(lines, cursor)


def taps(state: State) -> list[tf.Tensor]:
    """The past samples that this step's convolution needs, oldest first, each [batch, ...]."""
    return state["taps"] if state else []


def push(state: State, x_t: tf.Tensor) -> State:
    """The state after one more sample `x_t` [batch, ...]."""
    if not state:
        return ()
    cursor, entering = state["cursor"], [*state["taps"][1:], x_t]
    lines = [_written(line, cursor, x) for line, x in zip(state["lines"], entering)]
    return _with_taps(lines, (cursor + 1) % _length(lines[0]))


def opened(state: State) -> State:
    """The state for a loop of `push`, with its lines as arrays.

    Of a row of a tensor XLA cannot know that its number is one that exists: it reads what is there
    before it writes, number by number, which took a fifth of the time of a step.
    """
    if not state:
        return ()
    return {**state, "lines": [_array(line) for line in state["lines"]]}


def closed(state: State) -> State:
    """What `opened` was given, after the loop: the lines as tensors."""
    if not state:
        return ()
    return {**state, "lines": [line.stack() for line in state["lines"]]}


def where(rows: tf.Tensor, state: State, other: State) -> State:
    """`state` for the rows of the batch that are True, `other` for those that are False.

    The cursor is that of `other`, whose rows stay where they are.

    Args:
        rows: bool [batch].
        state: a state of some number of steps.
        other: a state of the same convolution after another number of steps.
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
