"""Whether generated digits are digits: what a classifier of recordings makes of them.

    tfwavenet-generate --workdir=runs/digits --seconds=0.6 --count=20 --speaker=seven \
        --output=digits/seven
    python -m benchmarks.digits --fsdd=PATH/TO/fsdd digits/*

Each folder holds WAV files. The classifier (mel spectra stretched to one length, a support vector
machine) learns from the training recordings of the Free Spoken Digit Dataset; its share of right
answers on the held-out ones is printed first. Of a folder that is named like a digit, such as
`seven`, the share that is taken for that digit; of each, how certain the classifier is and how
many different digits it hears: recordings of all ten, as a measure, come first.
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
    """Log-mel spectrum of a recording without its silences, at one length and level, flat."""
    audio, _ = audio_files.read(path, sample_rate=RATE)
    audio, _ = librosa.effects.trim(audio, top_db=SILENCE_DB, frame_length=256, hop_length=64)
    power = librosa.feature.melspectrogram(y=audio, sr=RATE, n_fft=256, hop_length=80, n_mels=BANDS)
    levels = librosa.power_to_db(power, ref=np.max, top_db=60)
    places = np.linspace(0, levels.shape[1] - 1, FRAMES)
    stretched = [np.interp(places, np.arange(levels.shape[1]), band) for band in levels]
    return np.ravel(stretched)


def table(paths: Iterable[str]) -> np.ndarray:
    """The features of files, one row each."""
    return np.stack([features(path) for path in paths])


def row(name: str, probabilities: np.ndarray, classes: Sequence[str], truth: Sequence[str]) -> dict:
    """What the classifier makes of the recordings of one folder."""
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
    """Prints a row for the held-out recordings, and one for each folder."""
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
