"""Measures with a classifier of recordings whether generated digits are recognized as digits.

    tfwavenet-generate --workdir=runs/digits --seconds=0.6 --count=20 --speaker=seven \
        --output=digits/seven
    python -m benchmarks.digits --fsdd=PATH/TO/fsdd digits/*

Each folder holds WAV files. The classifier is a support vector machine on mel spectra that are
stretched to one length. It is trained on the training recordings of the Free Spoken Digit Dataset.

The first row is for the held-out recordings of all ten digits and serves as a reference. Every row
shows the classifier's certainty and the number of different recognized digits. The share of right
answers is shown in the first row, and for folders that are named after a digit, such as `seven`.
"""

from __future__ import annotations

import argparse
import pathlib
from collections import Counter
from collections.abc import Iterable, Sequence

import librosa
import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks import report
from tfwavenet.audio import audio_files
from tfwavenet.data.corpora import read_corpus

RATE, BANDS, FRAMES = 8000, 24, 24
SILENCE_DB = 35


def features(path: str) -> np.ndarray:
    """Computes the log-mel spectrum of a recording at a fixed length and level.

    Silence at both ends is trimmed first.

    Args:
        path: path of the recording.

    Returns:
        The flattened spectrum, float [BANDS * FRAMES], in dB relative to the maximum.
    """
    audio, _ = audio_files.read(path, sample_rate=RATE)
    audio, _ = librosa.effects.trim(audio, top_db=SILENCE_DB, frame_length=256, hop_length=64)
    power = librosa.feature.melspectrogram(y=audio, sr=RATE, n_fft=256, hop_length=80, n_mels=BANDS)
    levels = librosa.power_to_db(power, ref=np.max, top_db=60)
    places = np.linspace(0, levels.shape[1] - 1, FRAMES)
    stretched = [np.interp(places, np.arange(levels.shape[1]), band) for band in levels]
    return np.ravel(stretched)


def table(paths: Iterable[str]) -> np.ndarray:
    """Computes the features of files, one row per file."""
    return np.stack([features(path) for path in paths])


def row(name: str, probabilities: np.ndarray, classes: Sequence[str], truth: Sequence[str]) -> dict:
    """Returns the table row of the recordings of one folder.

    Args:
        name: name of the recordings in the table.
        probabilities: float [recordings, classes], the output of the classifier.
        classes: names of the digits.
        truth: the digit of each recording. If empty, the digits are unknown.
    """
    heard = [classes[index] for index in probabilities.argmax(axis=1)]
    right = [said == wanted for said, wanted in zip(heard, truth)]
    counts = Counter(heard).most_common()
    return {
        "recordings": name,
        "number": len(heard),
        "right": f"{np.mean(right):.1%}" if right else "-",
        "certainty": f"{probabilities.max(axis=1).mean():.2f}",
        "digits": len(counts),
        "most heard": ", ".join(f"{digit} {count}" for digit, count in counts[:3]),
    }


def main() -> None:
    """Prints a row for the held-out recordings, and a row for each folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fsdd", required=True, help="folder of the Free Spoken Digit Dataset")
    parser.add_argument("folders", nargs="*", help="folders of generated WAV files")
    flags = parser.parse_args()
    report.print_machine(("tensorflow", "numpy", "librosa", "scikit-learn"))
    utterances = read_corpus("fsdd_digits", root=flags.fsdd).utterances
    chosen = {
        split: [item for item in utterances if item.split == split] for split in ("train", "test")
    }
    classifier = make_pipeline(StandardScaler(), CalibratedClassifierCV(SVC(C=10), ensemble=False))
    classifier.fit(
        table(item.path for item in chosen["train"]), [item.speaker for item in chosen["train"]]
    )
    classes = list(classifier.classes_)
    held_out = classifier.predict_proba(table(item.path for item in chosen["test"]))
    rows = [row("held-out", held_out, classes, [item.speaker for item in chosen["test"]])]
    for folder in map(pathlib.Path, flags.folders):
        paths = sorted(str(path) for path in folder.glob("*.wav"))
        if not paths:
            raise SystemExit(f"Expected WAV files in every folder. Received: none in {folder}")
        truth = [folder.name] * len(paths) if folder.name in classes else []
        rows.append(row(folder.name, classifier.predict_proba(table(paths)), classes, truth))
    report.print_table(rows)


if __name__ == "__main__":
    main()
