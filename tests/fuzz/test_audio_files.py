"""Damaged audio files: audio that can be used, or a sentence; what is cut off is never shorter."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from tests.support import damages
from tests.support.recordings import noise
from tfwavenet.audio import audio_files

RATE, SAMPLES = 16000, 4000
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "float.wav": ("WAV", "FLOAT"),
    "rf64": ("RF64", "PCM_16"),
    "aiff": ("AIFF", "PCM_24"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "au": ("AU", "PCM_16"),
    "ulaw.au": ("AU", "ULAW"),
    "caf": ("CAF", "PCM_24"),
    "w64": ("W64", "PCM_16"),
    "svx": ("SVX", "PCM_16"),
    "nist": ("NIST", "PCM_16"),
    "voc": ("VOC", "PCM_16"),
    "avr": ("AVR", "PCM_16"),
}
ALL = pytest.mark.parametrize("name", list(FORMATS))
COUNTS = pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.slow)])


def written(folder, name, channels=1):
    path = folder / f"whole.{name}"
    container, encoding = FORMATS[name]
    audio = noise(SAMPLES * channels).reshape(SAMPLES, channels)
    soundfile.write(path, audio, RATE, format=container, subtype=encoding)
    return path.read_bytes()


def read(path):
    found = damages.result_or_refusal(
        lambda: audio_files.read(path, sample_rate=8000), (audio_files.AudioFileError,)
    )
    if isinstance(found, damages.Refusal):
        assert str(path) in found.sentence
        return None
    audio, rate = found
    assert rate == 8000
    assert np.isfinite(audio).all()
    return audio


@ALL
@COUNTS
def test_damaged_bytes(tmp_path, name, count):
    path = tmp_path / f"damaged.{name}"
    for content in damages.of_bytes(written(tmp_path, name), count):
        path.write_bytes(content)
        read(path)


@ALL
@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_that_is_cut_off_is_refused(tmp_path, name, channels):
    if channels == 2 and name in ("svx", "voc"):
        channels = 1
    whole = written(tmp_path, name, channels)
    path = tmp_path / f"cut.{name}"
    path.write_bytes(whole)
    assert len(audio_files.read(path)[0]) == SAMPLES
    least = 12 if name == "mp3" else 0  # of an MP3 the last bytes may be padding
    for missing in (10 + least, 100, 1001, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:-missing])
        with pytest.raises(audio_files.AudioFileError, match="Received: "):
            audio_files.read(path)


@pytest.mark.parametrize("seed", range(3))
def test_an_mp3_with_its_length_is_as_long_or_refused(tmp_path, seed):
    """Noise between frames may look like frames; the header says how many there are."""
    whole = written(tmp_path, "mp3")
    rng = np.random.default_rng(seed)
    path = tmp_path / "noisy.mp3"
    for _ in range(30):
        at, count = int(rng.integers(1000, len(whole))), int(rng.integers(1, 2000))
        path.write_bytes(whole[:at] + rng.bytes(count) + whole[at:])
        found = damages.result_or_refusal(
            lambda: audio_files.read(path), (audio_files.AudioFileError,)
        )
        assert isinstance(found, damages.Refusal) or len(found[0]) == SAMPLES


@pytest.mark.parametrize(("frames", "kind"), [(10, "corrupt"), (-10, "truncated")])
def test_an_mp3_of_another_length_than_promised_is_refused(tmp_path, monkeypatch, frames, kind):
    path = tmp_path / "clip.mp3"
    path.write_bytes(written(tmp_path, "mp3"))
    decode = audio_files._read_all
    length = SAMPLES + frames

    def longer_or_shorter(path, file):
        return np.resize(decode(path, file), [length, 1])

    monkeypatch.setattr(audio_files, "_read_all", longer_or_shorter)
    with pytest.raises(audio_files.AudioFileError, match=f"a {kind} file, 4000 samples expected"):
        audio_files.read(path)


def test_a_length_that_is_not_known_is_no_promise(tmp_path):
    whole = bytearray(written(tmp_path, "au"))
    whole[8:12] = b"\xff" * 4  # as sox writes to a pipe
    path = tmp_path / "open.au"
    path.write_bytes(whole)
    assert len(audio_files.read(path)[0]) == SAMPLES
