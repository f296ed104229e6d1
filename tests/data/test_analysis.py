"""A recording gives aligned records, or one sentence that says why it gives none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import soundfile

from tests.support.recordings import RECIPE, noise
from tfwavenet.audio import audio_files, resample
from tfwavenet.data import analysis
from tfwavenet.data.analysis import Analysis, MelStatistics, UnusableRecordingError
from tfwavenet.data.splits import Utterance

HOP = RECIPE.hop_samples


def _utterance(path, audio=None, sample_rate=8000):
    if audio is not None:
        audio_files.write(path, audio, sample_rate)
    return Utterance(str(path), "name", "ann", "train", "some text")


def _records(utterance, *, recipe=RECIPE, max_seconds=20.0, with_mel=True):
    return Analysis(recipe, max_seconds, with_mel).records(utterance, 3)


def test_a_short_recording_is_one_record(tmp_path):
    utterance = _utterance(tmp_path / "a.wav", noise(HOP * 10))
    (record,) = _records(utterance)
    audio, _ = audio_files.read(utterance.path)
    signal, mel = RECIPE.analyze(audio)
    assert (record.name, record.speaker, record.text) == ("name", 3, "some text")
    np.testing.assert_array_equal(record.signal, signal)
    np.testing.assert_array_equal(record.mel, mel)


@pytest.mark.parametrize(
    ("frames", "max_frames", "expected"),
    [
        (9, 10, [9]),
        (10, 10, [10]),
        (11, 10, [5, 6]),
        (20, 10, [10, 10]),
        (21, 10, [7, 7, 7]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_a_long_recording_is_cut_between_frames(tmp_path, frames, max_frames, expected):
    utterance = _utterance(tmp_path / "a.wav", noise(HOP * frames))
    found = _records(utterance, max_seconds=max_frames * HOP / 8000)
    whole = _records(utterance)[0]
    assert [len(record.mel) for record in found] == expected
    assert [len(record.signal) for record in found] == [HOP * length for length in expected]
    np.testing.assert_array_equal(np.concatenate([r.signal for r in found]), whole.signal)
    np.testing.assert_array_equal(np.concatenate([r.mel for r in found]), whole.mel)
    names = [f"name-{number:03d}" for number in range(len(found))] if len(found) > 1 else ["name"]
    assert [record.name for record in found] == names
    assert {record.text for record in found} == {"some text" if len(found) == 1 else None}


def test_max_seconds_below_one_frame_means_one_frame():
    assert Analysis(RECIPE, 1e-6).max_frames == 1


def test_a_very_long_recording_is_analysed_in_parts(tmp_path, monkeypatch):
    utterance = _utterance(tmp_path / "a.wav", noise(HOP * 30))
    monkeypatch.setattr(analysis, "_LONGEST_ANALYSIS_SECONDS", 10 * HOP / 8000)
    found = _records(utterance, max_seconds=5 * HOP / 8000)
    audio, _ = audio_files.read(utterance.path)
    signals = [RECIPE.analyze(part)[0] for part in np.split(audio, 3)]
    np.testing.assert_array_equal(
        np.concatenate([record.signal for record in found]), np.concatenate(signals)
    )
    assert [len(record.mel) for record in found] == [5] * 6


@pytest.mark.parametrize("extra", [0, 1, HOP - 1])
def test_without_mel_the_signal_is_padded_to_whole_frames(tmp_path, extra):
    utterance = _utterance(tmp_path / "a.wav", noise(HOP * 4 + extra))
    (record,) = _records(utterance, with_mel=False)
    audio, _ = audio_files.read(utterance.path)
    signal = RECIPE.condition_audio(audio)
    assert record.mel is None
    assert len(record.signal) == HOP * (4 + (extra > 0))
    np.testing.assert_array_equal(record.signal[: len(signal)], signal)
    assert not record.signal[len(signal) :].any()


def test_stereo_is_averaged(tmp_path):
    left, right = noise(HOP * 8, seed=1), noise(HOP * 8, seed=2)
    both = _utterance(tmp_path / "both.wav", np.stack([left, right], axis=1))
    mean = _utterance(tmp_path / "mean.wav", (left + right) / 2)
    np.testing.assert_allclose(
        _records(both)[0].signal, _records(mean)[0].signal, atol=1.01 * 2.0**-15
    )


@pytest.mark.parametrize("sample_rate", [4000, 16000, 22050])
def test_another_rate_is_resampled(tmp_path, sample_rate):
    utterance = _utterance(tmp_path / "a.wav", noise(sample_rate // 5), sample_rate)
    audio, _ = audio_files.read(utterance.path)
    expected = RECIPE.analyze(resample.resample(audio, source_rate=sample_rate, target_rate=8000))[
        0
    ]
    np.testing.assert_array_equal(_records(utterance)[0].signal, expected)


def _bytes(content):
    return lambda path: path.write_bytes(content)


def _audio(audio):
    return lambda path: audio_files.write(path, audio, 8000)


def _with_nan(path):
    audio = noise(HOP * 8)
    audio[7] = np.nan
    soundfile.write(path, audio, 8000, subtype="FLOAT")


def _truncated(path):
    audio_files.write(path, noise(HOP * 8), 8000)
    path.write_bytes(path.read_bytes()[:-100])


def _corrupt_flac(path):
    soundfile.write(path, noise(HOP * 80), 8000, format="FLAC")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path.write_bytes(data)


UNUSABLE = {
    "missing": (lambda path: None, "no such file"),
    "empty": (_bytes(b""), "empty file of 0 bytes"),
    "text": (_bytes(b"this is not audio, whatever its name says"), "do not decode"),
    "header only": (_audio(np.zeros(0, np.float32)), "samples=0"),
    "truncated": (_truncated, "truncated"),
    "corrupt": (_corrupt_flac, "decode"),
    "NaN": (_with_nan, "NaN"),
    "silent": (_audio(np.zeros(HOP * 8, np.float32)), "silent.*-60 dB"),
    "nearly silent": (_audio(noise(HOP * 8, level=0.0009)), "silent.*-60 dB"),
    "one sample short": (_audio(noise(HOP - 1)), f"too short.*samples={HOP - 1}"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_unusable_recordings_are_named_with_the_reason(tmp_path, kind):
    make, reason = UNUSABLE[kind]
    path = tmp_path / "bad.wav"
    make(path)
    for use in (_records, lambda utterance: analysis.mel_statistics(utterance, RECIPE)):
        with pytest.raises(UnusableRecordingError, match=reason) as caught:
            use(_utterance(path))
        assert "bad.wav" in str(caught.value) and "Received" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_shortest_and_the_quietest_usable_recording(tmp_path):
    (record,) = _records(_utterance(tmp_path / "a.wav", noise(HOP, level=0.0015)))
    assert len(record.mel) == 1


def test_what_the_recipe_refuses_is_unusable(tmp_path):
    recipe = dataclasses.replace(RECIPE, signal_gain=3.0, overflow="error")
    with pytest.raises(UnusableRecordingError, match=r"in \[-1, 1\].*Received: peak=1\.49"):
        _records(_utterance(tmp_path / "a.wav", noise(HOP * 8)), recipe=recipe)


def test_mel_statistics_are_those_of_all_frames(tmp_path):
    utterances = [
        _utterance(tmp_path / f"{seed}.wav", noise(HOP * (5 + seed), seed=seed)) for seed in (1, 2)
    ]
    total = MelStatistics.zero(RECIPE.n_mels)
    for utterance in utterances:
        total += analysis.mel_statistics(utterance, RECIPE)
    mels = [RECIPE.compressed_mel(audio_files.read(item.path)[0]).numpy() for item in utterances]
    frames = np.concatenate(mels).astype(np.float64)
    mean, std = total.mean_and_std()
    assert total.frames == len(frames)
    np.testing.assert_allclose(mean, frames.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(std, frames.std(axis=0), rtol=1e-9)


def test_a_bin_that_never_changes_is_not_scaled():
    values = np.array([[-100.0, 1.0], [-100.0, 3.0]])
    total = MelStatistics(2, values.sum(axis=0), (values**2).sum(axis=0))
    np.testing.assert_allclose(total.mean_and_std(), [[-100.0, 2.0], [1.0, 1.0]])


def test_no_frame_has_no_statistics():
    with pytest.raises(ValueError, match="at least one usable frame"):
        MelStatistics.zero(2).mean_and_std()
