"""Upsampling convolutions, computed at the rate of their input: all phases of a frame side by side.

A filter over repeated frames, and a transposed one, give every output sample a few neighbouring
frames, each with its own tap of the filter. So they are a convolution over frames with one output
channel per phase. That is less work than a convolution over samples, and XLA has a fast form of it
for CPUs, which it has not for transposed convolutions.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def stretching(scale: int) -> np.ndarray:
    """The frames that a filter of `2 * scale + 1` taps meets after each was repeated `scale` times.

    Returns:
        float32 [3, scale, 2 * scale + 1]: 1 where the tap of that number meets the frame before,
        the present or the following one, in that phase.
    """
    meeting = np.zeros([3, scale, 2 * scale + 1], np.float32)
    for phase in range(scale):
        for tap in range(2 * scale + 1):
            meeting[(phase + tap - scale) // scale + 1, phase, tap] = 1
    return meeting


def transposed(scale: int, overlap: int) -> np.ndarray:
    """The frames that a transposed filter of `overlap * scale` taps and that stride meets.

    Args:
        scale: the stride.
        overlap: 1, or 2 with an even scale; half of the additional taps lie on each side.

    Returns:
        float32 [3, scale, overlap * scale], as of `stretching`.
    """
    size = overlap * scale
    meeting = np.zeros([3, scale, size], np.float32)
    for frame in (-1, 0, 1):
        for phase in range(scale):
            tap = phase + (size - scale) // 2 - frame * scale
            if 0 <= tap < size:
                meeting[frame + 1, phase, tap] = 1
    return meeting


def upsampled(image: tf.Tensor, kernel: tf.Tensor, meeting: np.ndarray) -> tf.Tensor:
    """Upsamples the time axis of an image by one filter for all of it.

    Args:
        image: [batch, frames, channels, 1].
        kernel: [taps, extent over channels], centered over channels.
        meeting: [3, scale, taps] from `stretching` or `transposed`.

    Returns:
        [batch, frames * scale, channels, 1].
    """
    phases = tf.einsum("jpk,kf->jfp", tf.cast(meeting, kernel.dtype), kernel)[:, :, tf.newaxis]
    outputs = tf.transpose(tf.nn.conv2d(image, phases, 1, "SAME"), [0, 1, 3, 2])
    batch, frames, scale, channels = (outputs.shape[axis] for axis in range(4))
    batch = tf.shape(outputs)[0] if batch is None else batch
    frames = tf.shape(outputs)[1] if frames is None else frames
    return tf.reshape(outputs, [batch, frames * scale, channels, 1])
