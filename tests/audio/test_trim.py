"""Trimming against a loop over frames."""

from __future__ import annotations

import numpy as np
import pytest

from tfwavenet.audio import trim


def loop(audio, top_db, frame, hop):
    padded = np.pad(audio, frame // 2)
    starts = range(0, len(padded) - frame + 1, hop)
    level = np.array([np.sqrt(np.mean(padded[s : s + frame] ** 2)) for s in starts])
    loud = np.flatnonzero(20 * np.log10(np.maximum(level, 1e-5) / level.max()) > -top_db)
    return audio[loud[0] * hop : min(len(audio), (loud[-1] + 1) * hop)]


@pytest.mark.parametrize(("frame", "hop"), [(2048, 512), (32, 16), (400, 100)])
@pytest.mark.parametrize("top_db", [20.0, 40.0, 60.0])
def test_equals_the_loop(frame, hop, top_db, voice):
    audio = voice(8000).astype(np.float64)
    found = trim.trim_silence(audio, top_db=top_db, frame_samples=frame, hop_samples=hop)
    np.testing.assert_array_equal(found, loop(audio, top_db, frame, hop))
    assert 0 < len(found) < len(audio) or frame == 2048


def test_digital_silence_is_kept_whole():
    assert len(trim.trim_silence(np.zeros(5000), top_db=60.0)) == 5000


@pytest.mark.parametrize(
    "changes", [{"top_db": 0.0}, {"top_db": 60.0, "frame_samples": 0}, {"top_db": float("nan")}]
)
def test_arguments_out_of_range(changes):
    with pytest.raises(ValueError, match="must be > 0. Received"):
        trim.trim_silence(np.ones(100), **changes)


def test_channels_are_rejected():
    with pytest.raises(ValueError, match=r"shape=\(2, 100\)"):
        trim.trim_silence(np.ones((2, 100)), top_db=60.0)
