"""Upsampling convolutions at the rate of their input, with all phases of a frame computed at once.

Both a filter over repeated frames and a transposed filter compute an output sample from a few
neighboring frames. Each of these frames is multiplied by taps of its own. Either filter is
therefore a convolution over frames with one output channel per phase.

The convolution over frames is less work than a convolution over samples. XLA also has a fast form
of the convolution over frames for CPUs, but no fast form of transposed convolutions.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def stretching(scale: int) -> np.ndarray:
    """Computes which frame each tap of a filter multiplies after frames were repeated.

    Args:
        scale: int > 0, how often each frame is repeated. The filter has `2 * scale + 1` taps.

    Returns:
        float32 [3, scale, 2 * scale + 1], for each frame, phase and tap. The value is 1 where the
        tap multiplies the frame in that phase, and 0 elsewhere. The three frames are the previous,
        the present and the next frame.
    """
    meeting = np.zeros([3, scale, 2 * scale + 1], np.float32)
    for phase in range(scale):
        for tap in range(2 * scale + 1):
            meeting[(phase + tap - scale) // scale + 1, phase, tap] = 1
    return meeting


def transposed(scale: int, overlap: int) -> np.ndarray:
    """Computes which frame each tap of a transposed filter multiplies.

    Args:
        scale: int > 0, the stride. The filter has `overlap * scale` taps.
        overlap: 1, or 2 with an even scale. Half of the additional taps lie on each side.

    Returns:
        float32 [3, scale, overlap * scale], for each frame, phase and tap, as in `stretching`.
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
    """Upsamples the time axis of an image with one filter.

    Args:
        image: float [batch, frames, channels, 1].
        kernel: [taps, extent over channels] of the dtype of `image`, centered over channels.
        meeting: float32 [3, scale, taps], the result of `stretching` or `transposed`.

    Returns:
        [batch, frames * scale, channels, 1] of the dtype of `image`.
    """
    phases = tf.einsum("jpk,kf->jfp", tf.cast(meeting, kernel.dtype), kernel)[:, :, tf.newaxis]
    outputs = tf.transpose(tf.nn.conv2d(image, phases, 1, "SAME"), [0, 1, 3, 2])
    batch, frames, scale, channels = (outputs.shape[axis] for axis in range(4))
    batch = tf.shape(outputs)[0] if batch is None else batch
    frames = tf.shape(outputs)[1] if frames is None else frames
    return tf.reshape(outputs, [batch, frames * scale, channels, 1])
