"""A WAV file that plays while it grows."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.support import shared
from tfwavenet.audio import audio_files
from tfwavenet.audio.wav_writer import WavWriter


def noise(*shape):
    return np.random.default_rng(0).uniform(-0.9, 0.9, shape).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2])
def test_playable_after_every_chunk(tmp_path, channels):
    audio = noise(1000) if channels == 1 else noise(1000, channels)
    path = tmp_path / "new" / "a.wav"
    with WavWriter(path, sample_rate=8000, channels=channels) as writer:
        assert soundfile.info(writer.partial_path).frames == 0
        for start, stop in [(0, 1), (1, 300), (300, 300), (300, 1000)]:
            writer.append(audio[start:stop])
            found, rate = soundfile.read(writer.partial_path, dtype="float32")
            assert rate == 8000 and writer.frames == stop and not path.exists()
            np.testing.assert_allclose(
                found.reshape(stop, -1), audio[:stop].reshape(stop, -1), atol=2e-5
            )
    assert os.listdir(tmp_path / "new") == ["a.wav"]


def test_equals_the_file_written_at_once(tmp_path):
    audio = noise(1000)
    audio_files.write(tmp_path / "whole.wav", audio, 8000)
    with WavWriter(tmp_path / "parts.wav", sample_rate=8000) as writer:
        for part in np.split(audio, [10, 500]):
            writer.append(part)
    assert (tmp_path / "parts.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()


def test_an_exception_keeps_the_partial_file_and_the_old_one(tmp_path):
    path = tmp_path / "a.wav"
    audio_files.write(path, noise(50), 8000)
    with contextlib.suppress(KeyboardInterrupt), WavWriter(path, sample_rate=8000) as writer:
        writer.append(noise(100))
        raise KeyboardInterrupt
    assert soundfile.info(path).frames == 50
    assert soundfile.info(writer.partial_path).frames == 100


def test_bad_chunks_change_nothing(tmp_path):
    writer = WavWriter(tmp_path / "a.wav", sample_rate=8000)
    writer.append(noise(100))
    for chunk in (np.array([np.nan]), noise(3, 2), np.zeros(4, np.int16), noise(1, 2, 3)):
        with pytest.raises(ValueError, match="Received"):
            writer.append(chunk)
    writer.close()
    writer.close()
    assert soundfile.info(writer.path).frames == 100
    with pytest.raises(ValueError, match="closed=True"):
        writer.append(noise(10))


@pytest.mark.parametrize(
    "arguments", [{"sample_rate": 0}, {"sample_rate": 8000, "channels": 0}], ids=str
)
def test_format_out_of_range(tmp_path, arguments):
    with pytest.raises(ValueError, match="Received"):
        WavWriter(tmp_path / "a.wav", **arguments)
    assert os.listdir(tmp_path) == []


def test_a_directory_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="a.wav"):
        WavWriter(tmp_path / "file" / "a.wav", sample_rate=8000)


FULL_DISK = """
import resource, sys
import numpy as np
from tfwavenet.audio.wav_writer import WavWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    with WavWriter(sys.argv[1], sample_rate=8000) as writer:
        for _ in range(3):
            writer.append(np.full(4000, 0.5))
except OSError as error:
    print(error)
"""

KILLED = """
import os, signal, sys
import numpy as np
from tfwavenet.audio.wav_writer import WavWriter
writer = WavWriter(sys.argv[1], sample_rate=8000)
writer.append(np.full(8000, 0.5))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("program", [FULL_DISK, KILLED], ids=["full disk", "killed"])
def test_what_was_written_stays_playable(tmp_path, program):
    command = [sys.executable, "-c", program, str(tmp_path / "a.wav")]
    done = subprocess.run(
        command, cwd=shared.REPOSITORY, capture_output=True, text=True, check=False
    )
    if program is FULL_DISK:
        assert "a.wav.partial" in done.stdout and len(done.stdout.splitlines()) == 1
    assert os.listdir(tmp_path) == ["a.wav.partial"]
    found, _ = soundfile.read(tmp_path / "a.wav.partial")
    assert len(found) == 8000 and np.all(found == 0.5)
