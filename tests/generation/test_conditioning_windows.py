"""Windows of features in a graph are those that are cut in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.support.tiny_models import MELS, UPSAMPLERS, mel
from tfwavenet.generation.conditioning_windows import Features, stacked, window_of

FRAMES = 9


@pytest.mark.parametrize("upsampler", UPSAMPLERS)
# Within the utterance, over each end, over both, and wholly beyond the last frame.
@pytest.mark.parametrize(("first", "count"), [(4, 1), (0, 2), (7, 4), (-3, 15), (12, 2)])
def test_the_graph_cuts_the_same_window(upsampler, first, count):
    layer = UPSAMPLERS[upsampler]()
    batch = [mel(FRAMES, seed) for seed in (0, 1)]
    utterances = [Features(layer, MELS) for _ in batch]
    for features, frames in zip(utterances, batch):
        features.append(frames)
    expected = stacked(features.window(first, count) for features in utterances)
    window = window_of(layer, tf.constant(np.stack(batch)), tf.constant(FRAMES), first, count)
    np.testing.assert_array_equal(window["mel"], expected["mel"])
    np.testing.assert_array_equal(window["mask"], expected["mask"])


@pytest.mark.parametrize("upsampler", UPSAMPLERS)
def test_the_latest_frames_are_enough(upsampler):
    layer = UPSAMPLERS[upsampler]()
    first, whole = 5, tf.constant(mel(FRAMES)[np.newaxis])
    earlier = layer.left_context_frames + layer.padding_frames
    latest = whole[:, max(0, first - earlier) :]
    window = window_of(layer, latest, tf.constant(FRAMES), first, 2)
    expected = window_of(layer, whole, tf.constant(FRAMES), first, 2)
    np.testing.assert_array_equal(window["mel"], expected["mel"])
