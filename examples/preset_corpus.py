"""Makes the folder of recordings that the presets were trained on.

    python -m examples.preset_corpus --voices=PATH/TO/voices --output=preset_corpus

`--voices` has a folder per voice. Writes at 16 kHz: every recording; of every fourth training
recording a copy at 0.78 of its speed, which lowers pitch and formants to those of a deeper voice;
and the training sentences that come with the package, often enough to be a sixth of all speech.
"""

from __future__ import annotations

import pathlib

from absl import app, flags, logging

from tfwavenet.audio import audio_files
from tfwavenet.data.corpora import read_corpus

_VOICES = flags.DEFINE_string("voices", None, "Folder with a folder per voice.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "Folder to write.", required=True)

SAMPLE_RATE = 16_000
SPEED = 0.78
# The shares by which configs/voice.py holds recordings out: of the same names, so the same ones.
_VALIDATION, _TEST = 0.01, 0.02
_COPIES = 35


def write(source: str, target: pathlib.Path, *, speed: float = 1.0) -> None:
    """Writes a recording at 16 kHz, played at another speed.

    Args:
        source: the recording.
        target: WAV file to write.
        speed: factor of the speed, and of all frequencies.
    """
    audio, _ = audio_files.read(source, sample_rate=round(SAMPLE_RATE / speed))
    audio_files.write(target, audio, SAMPLE_RATE)


def main(_: list[str]) -> None:
    """Writes the folder."""
    output = pathlib.Path(_OUTPUT.value)
    corpus = read_corpus("folder", root=_VOICES.value, validation=_VALIDATION, test=_TEST)
    utterances = corpus.utterances
    for utterance in utterances:
        write(utterance.path, output / f"{utterance.name}.wav")
    training = [utterance for utterance in utterances if utterance.split == "train"]
    for utterance in training[::4]:
        write(utterance.path, output / f"deep_{utterance.name}.wav", speed=SPEED)
    bundled = [item for item in read_corpus("bundled").utterances if item.split == "train"]
    for number in range(_COPIES):
        for utterance in bundled:
            name = f"{utterance.speaker}/{utterance.name.split('/')[-1]}_{number:02d}.wav"
            write(utterance.path, output / name)
    logging.info("wrote %s", output)


if __name__ == "__main__":
    app.run(main)
