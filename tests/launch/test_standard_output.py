"""Generated audio on standard output: a real process, its pipe, and a reader that goes away."""

from __future__ import annotations

import io
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import soundfile

from tests.support.clips import network
from tfwavenet.audio import wav_format
from tfwavenet.audio.wav_writer import WavPipe

REPOSITORY = pathlib.Path(__file__).parents[2]
SCRIPT = """
import sys
import keras
from tests.support.clips import network
from tfwavenet.audio import recipes
from tfwavenet.launch import generate
from tfwavenet.training import workdir

keras.utils.set_random_seed(1)
model = network("Gaussian", conditional=False)
metadata = workdir.Metadata(recipes.get("speech_8k"), ["ann"], 1)
workdir.load = lambda path, weights: workdir.Loaded(model, None, metadata)
sys.argv = ["tfwavenet-generate", "--workdir=run", "--output=-", *sys.argv[1:]]
generate.main()
"""


def started(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_standard_output_is_a_wav_and_nothing_else():
    output, errors = started("--seconds=0.5", "--seed=3").communicate()
    audio, rate = soundfile.read(io.BytesIO(output), dtype="float32")
    keras.utils.set_random_seed(1)
    expected = network("Gaussian", conditional=False).generate(samples=4000, seed=3)[0]
    assert rate == 8000
    assert len(output) == wav_format.HEADER_BYTES + 2 * 4000
    np.testing.assert_allclose(audio, np.clip(expected, -1, 1), atol=1e-3)
    assert b"real-time factor" in errors


def test_a_reader_may_go_away():
    with started("--seconds=100") as process:
        assert process.stdout.read(4) == b"RIFF"
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 141
    assert b"Traceback" not in errors
    assert b"Exception ignored" not in errors


def test_several_utterances_are_refused_in_a_sentence():
    output, errors = started("--seconds=0.1", "--count=2").communicate()
    assert output == b""
    assert b"Traceback" not in errors
    assert b"output must be a folder for 2 utterances" in errors


@pytest.mark.parametrize("audio", [np.zeros([3, 2]), np.array([np.nan]), np.zeros(3, np.int16)])
def test_what_is_no_audio_does_not_reach_the_pipe(audio):
    pipe = io.BytesIO()
    writer = WavPipe(pipe, sample_rate=8000)
    with pytest.raises(ValueError, match="audio must"):
        writer.append(audio)
    assert (len(pipe.getvalue()), writer.frames) == (wav_format.HEADER_BYTES, 0)
