"""The past of a causal convolution as a value: ring buffer, the taps to be read next, cursor.

Each step writes its sample first and then reads, from the buffer just written, the past samples
that the *next* step needs. The reads travel in the state as small tensors of their own. In the
other order XLA cannot update the buffer in place and copies the whole of it twice per step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

# {"buffer": [(kernel_size - 1) * dilation, batch, ...], "taps": oldest first, each [batch, ...],
#  "cursor": int32 []}, or () for a kernel of one tap, which has no past.
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
    size = (kernel_size - 1) * dilation
    sample = tf.fill(list(sample_shape), tf.cast(fill, dtype))
    return {
        "buffer": tf.fill([size, *sample_shape], tf.cast(fill, dtype)),
        "taps": [sample] * (kernel_size - 1),
        "cursor": tf.zeros([], tf.int32),
    }


def state_after(inputs: tf.Tensor, kernel_size: int, dilation: int, fill: float = 0) -> State:
    """The state that pushing `inputs` [batch, time, ...] one by one leaves."""
    if kernel_size == 1:
        return ()
    size = (kernel_size - 1) * dilation
    past = tf.fill(
        [size, *tf.unstack(tf.shape(inputs))[:1], *inputs.shape[2:]], tf.cast(fill, inputs.dtype)
    )
    swapped = tf.transpose(inputs, [1, 0, *range(2, inputs.shape.rank)])
    recent = tf.concat([past, swapped], axis=0)[-size:]
    cursor = tf.shape(inputs)[1] % size
    # Sample t lives in slot t % size, so the oldest of the last `size` samples is at the cursor.
    return _with_taps(tf.roll(recent, cursor, axis=0), cursor, kernel_size, dilation)


def taps(state: State) -> list[tf.Tensor]:
    """The past samples that this step's convolution needs, oldest first, each [batch, ...]."""
    return state["taps"] if state else []


def push(state: State, x_t: tf.Tensor, kernel_size: int, dilation: int) -> State:
    """The state after one more sample `x_t` [batch, ...]."""
    if kernel_size == 1:
        return ()
    cursor = state["cursor"]
    buffer = tf.tensor_scatter_nd_update(state["buffer"], [[cursor]], x_t[tf.newaxis])
    cursor = (cursor + 1) % ((kernel_size - 1) * dilation)
    return _with_taps(buffer, cursor, kernel_size, dilation)


def _with_taps(buffer: tf.Tensor, cursor: tf.Tensor, kernel_size: int, dilation: int) -> State:
    size = (kernel_size - 1) * dilation
    slots = [(cursor + tap * dilation) % size for tap in range(kernel_size - 1)]
    return {"buffer": buffer, "taps": [buffer[slot] for slot in slots], "cursor": cursor}
