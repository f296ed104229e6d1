"""Spectrogram pictures show the right thing in the right place."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import image

from tfwavenet.evaluation import spectrogram_images


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_tone_is_at_its_frequency_with_its_level(sample_rate, share):
    time = np.arange(sample_rate) / sample_rate
    tone = 0.1 * np.sin(2 * np.pi * share * sample_rate / 2 * time)
    levels = spectrogram_images.levels_db(tone, sample_rate=sample_rate)
    middle = levels[:, levels.shape[1] // 2]
    assert abs(np.argmax(middle) / 160 - (1 - share)) < 0.015
    assert np.max(middle) == pytest.approx(-20, abs=1.5)


@pytest.mark.parametrize("samples", [10, 8000, 800000])
def test_size_is_bounded(samples):
    levels = spectrogram_images.levels_db(np.ones(samples) * 0.1, sample_rate=8000)
    assert levels.shape[0] == 160
    assert 1 <= levels.shape[1] <= 901


def test_the_picture_is_dark_below_the_range_and_bright_at_the_top():
    noise = 0.1 * np.random.default_rng(0).standard_normal(8000)
    bright = spectrogram_images.spectrogram_jpeg(noise, sample_rate=8000, top_db=-60.0)
    dark = spectrogram_images.spectrogram_jpeg(noise, sample_rate=8000, top_db=80.0)
    bright, dark = (image.imread(io.BytesIO(data), format="jpg") for data in (bright, dark))
    assert bright.shape == dark.shape
    assert bright.shape[0] == 160
    assert bright.mean() > 200
    assert dark.mean() < 5


def test_silence_has_a_picture():
    data = spectrogram_images.spectrogram_jpeg(np.zeros(8000), sample_rate=8000, top_db=0.0)
    assert data[:2] == b"\xff\xd8"
