"""The pitch tracker against tones of known frequency and against pYIN."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from tfwavenet.audio import pitch


def _cents(measured, expected):
    return 1200 * np.abs(np.log2(measured / expected))


def _voice(f0_hz, sample_rate):
    """A pulse-like voice: harmonics up to a third of the rate, falling with frequency."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / sample_rate
    count = int(sample_rate / 3 / np.max(f0_hz))
    return 0.3 * sum(np.cos(k * phase + k) / k for k in range(1, count + 1))


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050])
@pytest.mark.parametrize("frequency_hz", [80.0, 150.3, 220.0, 333.0, 470.0])
@pytest.mark.parametrize("harmonics", [1, 5])
def test_steady_tones_are_measured_to_a_few_cents(sample_rate, frequency_hz, harmonics):
    time = np.arange(sample_rate // 2) / sample_rate
    usable = [k for k in range(1, harmonics + 1) if k * frequency_hz < 0.45 * sample_rate]
    tone = sum(np.sin(2 * np.pi * k * frequency_hz * time + k) / k for k in usable)
    track = pitch.track(tone, sample_rate=sample_rate)
    assert len(track) == 50
    inner = track[3:-3]
    # Under three periods per window the phase shows: up to 18 cents in single frames at 80 Hz.
    assert np.median(_cents(inner, frequency_hz)) < (4 if frequency_hz < 100 else 1.5)
    assert np.max(_cents(inner, frequency_hz)) < 20


@pytest.mark.parametrize("frequency_hz", [383.7, 411.3, 470.9])
def test_high_voices_at_low_rates_are_not_rounded_to_samples(frequency_hz):
    # A period is about twenty samples, and harmonics up to the band's edge make sharp peaks.
    time = np.arange(4000) / 8000
    tone = sum(np.cos(2 * np.pi * k * frequency_hz * time) for k in range(1, 8))
    track = pitch.track(tone, sample_rate=8000)
    assert np.max(_cents(track[5:-5], frequency_hz)) < 0.3


def test_a_glide_is_followed():
    sample_rate = 16000
    f0_hz = 110.0 * 2 ** np.linspace(0, 1, sample_rate)
    track = pitch.track(_voice(f0_hz, sample_rate), sample_rate=sample_rate)
    at_frames = f0_hz[(np.arange(100) * 160)]
    assert np.max(_cents(track[3:-3], at_frames[3:-3])) < 10


def test_agrees_with_pyin_on_a_wavering_voice_in_noise():
    sample_rate = 8000
    rng = np.random.default_rng(0)
    time = np.arange(sample_rate) / sample_rate
    voice = _voice(140 + 15 * np.sin(2 * np.pi * 3 * time), sample_rate)
    audio = voice + 0.02 * rng.standard_normal(len(voice))
    ours = pitch.track(audio, sample_rate=sample_rate)
    theirs, _, _ = librosa.pyin(
        audio, fmin=60, fmax=500, sr=sample_rate, frame_length=512, hop_length=80
    )
    inner = slice(5, -5)
    assert np.all(ours[inner] > 0)
    # pYIN answers in steps of 10 cents and its frames are a few milliseconds off.
    assert np.median(_cents(ours[inner], theirs[: len(ours)][inner])) < 25


def test_the_fundamental_may_be_missing():
    time = np.arange(8000) / 8000
    tone = sum(np.sin(2 * np.pi * 100 * k * time) for k in (3, 4, 5))
    assert np.max(_cents(pitch.track(tone, sample_rate=8000)[5:-5], 100)) < 5


@pytest.mark.parametrize("kind", ["silence", "noise", "constant"])
def test_what_has_no_pitch_is_unvoiced(kind):
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(8000)
    audio = {"silence": np.zeros(8000), "noise": noise, "constant": np.full(8000, 0.5)}[kind]
    inner = pitch.track(audio, sample_rate=8000)[3:-3]
    assert np.mean(inner > 0) <= 0.05


def test_voiced_and_silent_parts_are_told_apart():
    tone = 0.3 * np.sin(2 * np.pi * 200 * np.arange(8000) / 8000)
    track = pitch.track(np.concatenate([np.zeros(8000), tone, np.zeros(8000)]), sample_rate=8000)
    voiced = np.flatnonzero(track)
    assert abs(voiced[0] - 100) <= 2
    assert abs(voiced[-1] - 199) <= 2
    assert len(voiced) == voiced[-1] - voiced[0] + 1


@pytest.mark.parametrize("samples", [1, 50, 399, 401])
def test_short_audio_has_frames_too(samples):
    track = pitch.track(np.full(samples, 0.1), sample_rate=8000)
    assert len(track) == -(-samples // 80)
    assert not track.any()


def test_blocks_do_not_show(monkeypatch):
    time = np.arange(8000) / 8000
    tone = np.sin(2 * np.pi * 200 * time) + 0.1 * np.random.default_rng(2).standard_normal(8000)
    whole = pitch.track(tone, sample_rate=8000)
    monkeypatch.setattr(pitch, "_BLOCK_FRAMES", 7)
    np.testing.assert_allclose(pitch.track(tone, sample_rate=8000), whole, rtol=1e-12)


@pytest.mark.parametrize(
    ("audio", "options", "message"),
    [
        (np.zeros((2, 8000)), {}, r"shape=\(2, 8000\)"),
        (np.zeros(0), {}, r"shape=\(0,\)"),
        (np.zeros(8000, np.int16), {}, "dtype=int16"),
        (np.full(8000, np.nan), {}, "NaN"),
        (np.zeros(8000), {"ceiling_hz": 50.0}, "ceiling_hz=50.0"),
        (np.zeros(8000), {"ceiling_hz": 2000.0}, "ceiling_hz=2000.0"),
        (np.zeros(8000), {"hop_seconds": 0.0}, "hop_seconds=0.0"),
    ],
)
def test_bad_input(audio, options, message):
    with pytest.raises(ValueError, match=message):
        pitch.track(audio, sample_rate=8000, **options)
