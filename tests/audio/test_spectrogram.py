"""Windows, framing and mel matrices against loops and librosa."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from tfwavenet.audio import spectrogram


def test_hann_is_librosas():
    ours = spectrogram.window_samples("hann", win_samples=1100, hop_samples=275)
    np.testing.assert_allclose(ours, librosa.filters.get_window("hann", 1100), atol=1e-15)


@pytest.mark.parametrize("hop", [128, 256, 512])
def test_lws_window_overlaps_to_one(hop):
    window = spectrogram.window_samples("lws", win_samples=1024, hop_samples=hop)
    np.testing.assert_allclose((window**2).reshape(-1, hop).sum(axis=0), 1.0, atol=1e-12)
    np.testing.assert_allclose(window, window[::-1], atol=1e-12)


def test_lws_window_equals_its_definition():
    expected = [
        np.sqrt(0.5 * (1 - np.cos(2 * np.pi * i / (2 * 8))) * 2 * 2 / 8) for i in range(1, 16, 2)
    ]
    window = spectrogram.window_samples("lws", win_samples=8, hop_samples=2)
    np.testing.assert_allclose(window, expected, atol=1e-15)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("norm", ["slaney", "none"])
def test_mel_matrix_equals_the_triangle_formula(scale, norm):
    matrix = spectrogram.mel_matrix(
        sample_rate=22050,
        n_fft=1024,
        n_mels=80,
        fmin_hz=20.0,
        fmax_hz=11025.0,
        scale=scale,
        norm=norm,
    )
    corners = mel_to_hz(np.linspace(*hz_to_mel(np.array([20.0, 11025.0]), scale), 82), scale)
    bins = np.linspace(0.0, 11025.0, 513)
    expected = np.zeros((80, 513))
    for m in range(80):
        low, middle, high = corners[m : m + 3]
        rise, fall = (bins - low) / (middle - low), (high - bins) / (high - middle)
        expected[m] = np.maximum(0.0, np.minimum(rise, fall))
        if norm == "slaney":
            expected[m] *= 2.0 / (high - low)
    np.testing.assert_allclose(matrix, expected, atol=1e-6 * expected.max())


def hz_to_mel(hz, scale):
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    log_part = 15.0 + 27.0 * np.log(np.maximum(hz, 1.0) / 1000.0) / np.log(6.4)
    return np.where(hz < 1000.0, hz * 3.0 / 200.0, log_part)


def mel_to_hz(mel, scale):
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * 6.4 ** ((mel - 15.0) / 27.0))


def test_mel_matrix_is_shared_and_read_only():
    arguments = {"sample_rate": 8000, "n_fft": 256, "n_mels": 20, "fmin_hz": 0.0, "fmax_hz": 4e3}
    first = spectrogram.mel_matrix(**arguments, scale="slaney", norm="slaney")
    assert first is spectrogram.mel_matrix(**arguments, scale="slaney", norm="slaney")
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1.0


# Below, at and above a whole number of hops; one sample; shorter than a frame.
LENGTHS = [1, 7, 63, 64, 65, 127, 128, 129, 640]


@pytest.mark.parametrize("framing", ["center", "exact", "same", "whole", "full"])
@pytest.mark.parametrize("samples", LENGTHS)
def test_frame_count_is_what_the_spectrogram_has(framing, samples):
    size = {"n_fft": 256, "hop_samples": 64}
    audio = np.random.default_rng(0).normal(size=(1, samples))
    padded = spectrogram.extend(audio, framing=framing, pad_mode="constant", **size)
    frames = spectrogram.magnitude(padded, window=np.ones(256), **size).shape[1]
    assert frames == spectrogram.frame_count(samples, framing=framing, **size)
    expected = {
        "center": samples // 64 + 1,
        "exact": (samples - 1) // 64 + 1,
        "same": -(-samples // 64),
        "whole": samples // 64,
        "full": -(-samples // 64) + 3,
    }
    assert frames == expected[framing]


@pytest.mark.parametrize(
    ("framing", "center"), [("center", 64), ("exact", 64), ("same", 96), ("whole", 96), ("full", 0)]
)
def test_frame_one_lies_where_the_framing_says(framing, center):
    # An impulse in the middle of frame 1 is seen there at the top of the window. In "full", frame
    # 1 starts 192 - 64 samples before the audio, so that its middle is sample 0.
    size = {"n_fft": 256, "hop_samples": 64}
    audio = np.zeros((1, 640))
    audio[0, center] = 1.0
    window = spectrogram.window_samples("hann", win_samples=256, hop_samples=64)
    padded = spectrogram.extend(audio, framing=framing, pad_mode="constant", **size)
    magnitude = spectrogram.magnitude(padded, window=window, **size).numpy()[0, :, 0]
    assert np.argmax(magnitude) == 1
    assert magnitude[1] == pytest.approx(1.0)


@pytest.mark.parametrize("win", [100, 255, 256])
def test_magnitude_is_librosas(win):
    audio = np.random.default_rng(3).normal(size=2000)
    size = {"n_fft": 256, "hop_samples": 64}
    window = spectrogram.window_samples("hann", win_samples=win, hop_samples=64)
    padded = spectrogram.extend(audio[None], framing="center", pad_mode="reflect", **size)
    ours = spectrogram.magnitude(padded, window=window, **size)[0]
    theirs = librosa.stft(audio, n_fft=256, hop_length=64, win_length=win, pad_mode="reflect")
    np.testing.assert_allclose(ours, np.abs(theirs).T, atol=1e-12)
