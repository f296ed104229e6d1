"""Copy synthesis: aligned, reproducible whatever the batches, audible range."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.clips import clip, network
from tfwavenet.audio import mulaw, recipes
from tfwavenet.evaluation import synthesis

RECIPE = recipes.get("speech_8k")
CLIPS = [clip("a", 0.12), clip("b", 0.05), clip("c", 0.2)]


def test_recordings_come_back_from_the_signal():
    audio = synthesis.recordings(CLIPS, RECIPE)
    for found, item in zip(audio, CLIPS):
        signal = RECIPE.condition_audio(found)
        np.testing.assert_allclose(signal, item.signal, atol=1e-5)


def test_the_model_gives_the_same_in_any_batches():
    model = network("MixtureOfLogistics")
    runs = [
        synthesis.model_system(model, CLIPS, seed=5, batch_size=size).audio for size in (1, 2, 8)
    ]
    for audio in runs:
        assert [len(one) for one in audio] == [len(item.signal) for item in CLIPS]
        for one, first in zip(audio, runs[0]):
            np.testing.assert_allclose(one, first, atol=1e-4)
    alone = model.generate(CLIPS[2].mel, seed=7)
    np.testing.assert_allclose(runs[0][2], np.clip(alone, -1, 1), atol=1e-4)


def test_folded_generation_is_measured_beside_the_whole():
    model = network("MixtureOfLogistics")
    given = {"fold_frames": 6, "overlap_frames": 2}
    found = synthesis.systems(model, CLIPS, seed=5, sampling=given, griffin_lim_iterations=1)
    assert [system.name for system in found] == ["model", "folded", "griffin_lim"]
    whole = synthesis.model_system(model, CLIPS, seed=5)
    folded = model.generate([item.mel for item in CLIPS], seed=5, **given)
    for index, item in enumerate(CLIPS):
        np.testing.assert_allclose(found[0].audio[index], whole.audio[index], atol=1e-4)
        expected = np.clip(folded[index][: len(item.signal)], -1, 1)
        np.testing.assert_allclose(found[1].audio[index], expected, atol=1e-4)


def test_without_features_something_as_long_is_generated():
    model = network(conditional=False, num_speakers=3, speaker_channels=2)
    items = [clip("a", 0.05, speaker=2), clip("b", 0.1, speaker=0)]
    system = synthesis.model_system(model, items)
    assert not system.comparable
    assert [len(one) for one in system.audio] == [len(item.signal) for item in items]
    assert [s.name for s in synthesis.systems(model, items)] == ["model", "quantized"]


def test_griffin_lim_and_quantisation_are_aligned_with_the_recording():
    model = network()
    recordings = synthesis.recordings(CLIPS, RECIPE)
    quantized = synthesis.quantized_system(model, CLIPS, RECIPE)
    baseline = synthesis.griffin_lim_system(CLIPS, RECIPE, iterations=20)
    for i, recording in enumerate(recordings):
        assert len(quantized.audio[i]) == len(baseline.audio[i]) == len(recording)
        codes = mulaw.encode(CLIPS[i].signal, 256, rounding="nearest")
        expected, _ = RECIPE.to_audio(mulaw.decode(codes, 256).numpy())
        np.testing.assert_allclose(quantized.audio[i], expected, atol=1e-6)
        assert np.corrcoef(quantized.audio[i], recording)[0, 1] > 0.99
        assert np.std(baseline.audio[i]) == pytest.approx(np.std(recording), rel=0.3)


def test_batch_size_is_checked():
    with pytest.raises(ValueError, match="batch_size=0"):
        synthesis.model_system(network(), CLIPS, batch_size=0)
