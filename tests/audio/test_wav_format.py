"""The bytes of WAV headers against the standard library."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest

from tfwavenet.audio import wav_format


@pytest.mark.parametrize(("frames", "rate", "channels"), [(0, 8000, 1), (3, 22050, 1), (5, 1, 6)])
def test_header_is_the_standard_librarys(frames, rate, channels):
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(bytes(frames * channels * 2))
    ours = wav_format.header(frames=frames, sample_rate=rate, channels=channels)
    assert ours == stream.getvalue()[: wav_format.HEADER_BYTES]


def test_a_header_without_a_length():
    known, unknown = (
        wav_format.header(frames=frames, sample_rate=8000, channels=1) for frames in (3, None)
    )
    assert unknown[4:8] == unknown[40:] == b"\xff" * 4
    assert (unknown[:4], unknown[8:40]) == (known[:4], known[8:40])


def test_more_than_4_gib():
    with pytest.raises(ValueError, match="Received: bytes=4294967296"):
        wav_format.header(frames=2**31, sample_rate=8000, channels=1)


def test_rounding():
    audio = np.array([0.0, 0.4, 0.6, -0.6, 1.4]) / 32768
    assert wav_format.to_pcm(audio).tolist() == [0, 0, 1, -1, 1]
