"""Makes the bundled speech: `python -m tfwavenet.data.bundled.make [folder]`.

Needs the programs `espeak-ng` (1.51 made the files in the package) and `sox` with FLAC support.
Writes `<speaker>_<index>.flac` (16 kHz, mono, 16 bit) and `metadata.json`, a list of
`{"file", "speaker", "split", "text"}`, into `folder` (default: beside this script).

Every voice reads its own training and validation sentences; the two held-out sentences are the
same for all, so that voices can be compared.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

from tfwavenet import files

SAMPLE_RATE_HZ = 16000

# speaker -> (espeak-ng voice, words per minute, pitch 0..99)
VOICES = {
    "amber": ("en-us+f3", 165, 55),
    "callum": ("en-gb-scotland", 160, 40),
    "dawson": ("en-us", 170, 45),
}

TRAIN = {
    "amber": (
        "The kettle was singing long before anyone came down.",
        "Put five blue jars beside the open window, please.",
        "She never thought the old bridge would hold them both.",
        "A quiet voice asked which road led north.",
        "Why should I choose between the choir and the chess club?",
    ),
    "callum": (
        "Heavy rain washed the paint right off the garden gate.",
        "Our youngest cousin just bought a wooden boat.",
        "Measure the flour twice, then fold in the sugar.",
        "Could you hear the geese flying over the valley?",
        "They joined the queue at half past four.",
    ),
    "dawson": (
        "The judge read every page without looking up.",
        "Ships usually vanish from view beyond that point.",
        "Bring a thick coat, because the evenings get cold.",
        "He found a small brass key under the third stair.",
        "Nothing grows here except moss and yellow thistles.",
    ),
}
VALIDATION = {
    "amber": ("Seven foxes crossed the frozen field.",),
    "callum": ("The teacher drew a map on the board.",),
    "dawson": ("Good music makes a long drive easy.",),
}
TEST = (
    "Where did you leave the silver spoon?",
    "The morning train to the coast leaves at eight.",
)


def synthesize(path: str, *, speaker: str, text: str) -> None:
    """Writes one sentence as 16 kHz mono FLAC, peak at -3 dB.

    Args:
        path: the FLAC file to write.
        speaker: a key of `VOICES`.
        text: one English sentence.

    Raises:
        subprocess.CalledProcessError: if `espeak-ng` or `sox` failed.
        FileNotFoundError: if one of them is not installed.
    """
    voice, words_per_minute, pitch = VOICES[speaker]
    speech = subprocess.run(
        ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "-p", str(pitch), "--stdout", text],
        check=True,
        capture_output=True,
    ).stdout
    with tempfile.TemporaryDirectory() as folder:
        encoded = os.path.join(folder, "speech.flac")  # a pipe would leave the length unset
        output = ["-b", "16", "-C", "8", "--comment", "", encoded]
        effects = ["gain", "-6", "rate", "-v", str(SAMPLE_RATE_HZ), "norm", "-3"]
        subprocess.run(["sox", "-D", "-t", "wav", "-", *output, *effects], check=True, input=speech)
        with open(encoded, "rb") as source, files.atomic_write(path) as target:
            shutil.copyfileobj(source, target)


def sentences(speaker: str) -> list[tuple[str, str]]:
    """Returns the `(split, text)` pairs that a speaker reads, in file order."""
    return [
        *(("train", text) for text in TRAIN[speaker]),
        *(("validation", text) for text in VALIDATION[speaker]),
        *(("test", text) for text in TEST),
    ]


def make(folder: str) -> list[dict[str, str]]:
    """Writes all audio files and `metadata.json` into `folder` and returns the metadata."""
    metadata = []
    for speaker in VOICES:
        for index, (split, text) in enumerate(sentences(speaker)):
            name = f"{speaker}_{index:02d}.flac"
            synthesize(os.path.join(folder, name), speaker=speaker, text=text)
            metadata.append({"file": name, "speaker": speaker, "split": split, "text": text})
    files.write_json(os.path.join(folder, "metadata.json"), metadata)
    return metadata


if __name__ == "__main__":
    make(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
