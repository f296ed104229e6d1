"""Windows of features: their content against a loop, and how little of the past they need."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.support.tiny_models import UPSAMPLERS, mel
from tfwavenet.generation.conditioning_windows import bucket, window_of

FRAMES = (9, 6)


def by_hand(layer, frames, features, first, count):
    """Window and mask of one utterance, frame by frame."""
    left, right, padding = (
        layer.left_context_frames,
        layer.right_context_frames,
        layer.padding_frames,
    )
    rows, mask = [], []
    for index in range(first - left - padding, first + count + right + padding):
        if -padding <= index < frames + padding:
            rows.append(features[min(max(index, 0), frames - 1)])
        else:
            rows.append(np.zeros_like(features[0]))
    for index in range(first - left, first + count + right):
        mask.append(0 <= index < frames)
    return np.stack(rows), np.array(mask)


@pytest.mark.parametrize("upsampler", UPSAMPLERS)
# Within the utterance, over each end, over both, and wholly beyond the last frame.
@pytest.mark.parametrize(("first", "count"), [(4, 1), (0, 2), (7, 4), (-3, 15), (12, 2)])
def test_a_window_holds_the_frames_around_its_stretch(upsampler, first, count):
    layer = UPSAMPLERS[upsampler]()
    batch = np.stack([mel(FRAMES[0], seed) for seed in (0, 1)])
    window = window_of(layer, tf.constant(batch), tf.constant(FRAMES), first, count)
    for row, frames in enumerate(FRAMES):
        expected, mask = by_hand(layer, frames, batch[row], first, count)
        np.testing.assert_array_equal(window["mel"][row], expected)
        np.testing.assert_array_equal(window["mask"][row], mask)


@pytest.mark.parametrize("upsampler", UPSAMPLERS)
def test_the_latest_frames_are_enough(upsampler):
    layer = UPSAMPLERS[upsampler]()
    first, whole = 5, tf.constant(mel(FRAMES[0])[np.newaxis])
    dropped = max(0, first - layer.left_context_frames - layer.padding_frames)
    window = window_of(layer, whole[:, dropped:], FRAMES[0], first, 2, dropped=dropped)
    expected = window_of(layer, whole, FRAMES[0], first, 2)
    np.testing.assert_array_equal(window["mel"], expected["mel"])
    np.testing.assert_array_equal(window["mask"], expected["mask"])


def test_sizes_are_rounded_up_to_sixteen_an_octave():
    sizes = [int(bucket(frames)) for frames in range(1, 2049)]
    assert all(size >= frames for frames, size in enumerate(sizes, start=1))
    assert sizes[:32] == list(range(1, 33))
    for low in (32, 64, 512, 1024):
        assert len(set(sizes[low : 2 * low])) == 16
