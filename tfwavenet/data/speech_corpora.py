"""Readers of published speech corpora: LJ Speech, VCTK, CMU ARCTIC, LibriSpeech, LibriTTS, Common Voice."""

from __future__ import annotations

import csv
import pathlib
import re
from collections.abc import Iterator

from tfwavenet.data import given_splits, listing, transcripts
from tfwavenet.data.corpus import Corpus, layout_error
from tfwavenet.data.splits import Split, Utterance

_VCTK_NAME = re.compile(r"(.+)_mic(\d)")
# Subsets of LibriSpeech (https://www.openslr.org/12) and LibriTTS (https://www.openslr.org/60).
_LIBRI_SUBSETS = ("train", "dev", "test")
_COMMON_VOICE_TABLES: dict[str, Split] = {
    "train.tsv": "train",
    "dev.tsv": "validation",
    "test.tsv": "test",
}

_ARCTIC_FOLDER = re.compile(r"cmu_us_(\w+?)_arctic")
_ARCTIC_PROMPT = re.compile(r'\(\s*(\S+)\s+"(.*)"\s*\)')


def read_ljspeech(root: pathlib.Path) -> Corpus:
    """Reads LJ Speech 1.1 (https://keithito.com/LJ-Speech-Dataset) and corpora laid out like it.

    The recordings may lie in `wavs/` or `wav/`, be FLAC, and be listed with folder and extension,
    as in filelists of Tacotron 2 and in M-AILABS.
    """
    table = root / "metadata.csv"
    folders = [name for name in ("wavs", "wav") if (root / name).is_dir()]
    if not table.is_file() or not folders:
        raise layout_error("ljspeech", root, "metadata.csv and wavs/")
    rows = _ljspeech_rows(table)
    return Corpus(
        tuple(
            Utterance(str(_ljspeech_audio(root / folders[0], name)), name, "LJ", text=text)
            for name, text in rows.items()
        )
    )


def _ljspeech_audio(folder: pathlib.Path, name: str) -> pathlib.Path:
    """Returns the path of a recording, which may be missing."""
    path = folder / f"{name}.wav"
    flac = folder / f"{name}.flac"
    return flac if not path.exists() and flac.exists() else path


def _ljspeech_name(entry: str) -> str:
    """Returns the name of a recording from its entry, such as "LJ001-0001" of "wavs/LJ001-0001.wav"."""
    path = pathlib.PurePosixPath(entry)
    if path.parts[0] in ("wavs", "wav"):
        path = pathlib.PurePosixPath(*path.parts[1:])
    return str(path.with_suffix("") if path.suffix.lower() in (".wav", ".flac") else path)


def _ljspeech_rows(table: pathlib.Path) -> dict[str, str]:
    """Reads the normalized text of every recording, by its name, from LJ Speech's table.

    Blank lines are skipped, and a recording may be listed again with the same text.

    Raises:
        ValueError: if a line is no row, or a recording has two texts.
    """
    rows = [line.split("|") for line in transcripts.read_lines(table) if line.strip()]
    bad = next((row for row in rows if len(row) < 2 or not row[0] or "\0" in row[0]), None)
    if bad is not None or not rows:
        raise ValueError(
            "The metadata.csv of LJ Speech is expected to have lines of 'name|text|normalized "
            f"text'. Received: line={'|'.join(bad or [])!r} in {str(table)!r}"
        )
    found: dict[str, str] = {}
    for entry, *texts_of_name in rows:
        name, text = _ljspeech_name(entry), texts_of_name[-1]
        if found.setdefault(name, text) != text:
            raise ValueError(
                "The metadata.csv of LJ Speech is expected to have one text for every name. "
                f"Received: {name!r} with {found[name]!r} and with {text!r} in {str(table)!r}"
            )
    return found


def read_vctk(root: pathlib.Path) -> Corpus:
    """Reads VCTK 0.80 (`wav48/`) or 0.92 (`wav48_silence_trimmed/`), as FLAC or WAV.

    Where a sentence was recorded by two microphones, the first of them is used.
    """
    places = (root / "wav48_silence_trimmed", root / "wav48")
    paths = next((found for place in places if (found := _vctk_paths(place))), None)
    if not paths:
        expected = "wav48/<speaker>/*.wav or wav48_silence_trimmed/<speaker>/*_mic1.flac"
        raise layout_error("vctk", root, expected)
    first: dict[tuple[str, str], pathlib.Path] = {}
    for path in paths:
        first.setdefault((path.parent.name, _vctk_sentence(path)), path)
    others = set(paths) - set(first.values())
    return Corpus(
        tuple(_vctk_utterance(path, root) for path in first.values()),
        ignored=listing.passed_over(others, "another microphone of the same sentence"),
    )


def _vctk_paths(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.glob("*/*") if path.suffix.lower() in (".flac", ".wav"))


def _vctk_sentence(path: pathlib.Path) -> str:
    """Returns the name of a recording without its microphone."""
    match = _VCTK_NAME.fullmatch(path.stem)
    return match.group(1) if match else path.stem


def _vctk_utterance(path: pathlib.Path, root: pathlib.Path) -> Utterance:
    """Returns a recording of VCTK; a few have no transcript."""
    name, speaker = _vctk_sentence(path), path.parent.name
    transcript = root / "txt" / speaker / f"{name}.txt"
    text = transcripts.read(transcript).strip() if transcript.is_file() else None
    return Utterance(str(path), name, speaker, text=text)


def read_cmu_arctic(root: pathlib.Path) -> Corpus:
    """Reads CMU ARCTIC (http://festvox.org/cmu_arctic): `root` is a voice or holds several."""
    folders = [root, *sorted(root.iterdir())]
    voices = {
        match.group(1): folder
        for folder in folders
        if (match := _ARCTIC_FOLDER.fullmatch(folder.name)) and (folder / "wav").is_dir()
    }
    utterances = [item for speaker, path in voices.items() for item in _arctic_voice(path, speaker)]
    if not utterances:
        raise layout_error("cmu_arctic", root, "cmu_us_<speaker>_arctic/wav/*.wav")
    return Corpus(tuple(utterances))


def _arctic_voice(folder: pathlib.Path, speaker: str) -> list[Utterance]:
    """Returns the recordings of an ARCTIC voice, with their prompts if these are there."""
    prompts = folder / "etc" / "txt.done.data"
    lines = transcripts.read_lines(prompts) if prompts.is_file() else []
    found = [match for line in lines if (match := _ARCTIC_PROMPT.match(line.strip()))]
    texts = {match.group(1): match.group(2) for match in found}
    return [
        Utterance(str(path), f"{speaker}/{path.stem}", speaker, text=texts.get(path.stem))
        for path in sorted((folder / "wav").glob("*.wav"))
    ]


def read_librispeech(root: pathlib.Path) -> Corpus:
    """Reads LibriSpeech: `<subset>/<speaker>/<chapter>/*.flac`, texts in `*.trans.txt`."""
    texts: dict[str, str] = {}
    for table in _libri_files(root, "*.trans.txt"):
        lines = (line.strip().split(" ", 1) for line in transcripts.read_lines(table))
        texts.update({line[0]: line[1] for line in lines if len(line) == 2})
    utterances = [
        _libri_utterance(path, root, texts.get(path.stem)) for path in _libri_files(root, "*.flac")
    ]
    if not utterances:
        raise layout_error("librispeech", root, "train-clean-100/<speaker>/<chapter>/*.flac")
    return Corpus(tuple(sorted(utterances, key=lambda item: item.name)))


def read_libritts(root: pathlib.Path) -> Corpus:
    """Reads LibriTTS: `<subset>/<speaker>/<chapter>/*.wav`, texts in `*.normalized.txt`."""
    utterances = []
    for path in _libri_files(root, "*.wav"):
        transcript = path.with_suffix(".normalized.txt")
        text = transcripts.read(transcript).strip() if transcript.is_file() else None
        utterances.append(_libri_utterance(path, root, text))
    if not utterances:
        raise layout_error("libritts", root, "train-clean-100/<speaker>/<chapter>/*.wav")
    return Corpus(tuple(sorted(utterances, key=lambda item: item.name)))


def _libri_files(root: pathlib.Path, pattern: str) -> Iterator[pathlib.Path]:
    """Yields the files of all subsets, of which the root itself may be one."""
    for subset in _LIBRI_SUBSETS:
        yield from root.glob(f"{subset}-*/*/*/{pattern}")
    if root.name.split("-")[0] in _LIBRI_SUBSETS:
        yield from root.glob(f"*/*/{pattern}")


def _libri_utterance(path: pathlib.Path, root: pathlib.Path, text: str | None) -> Utterance:
    """Returns a recording; the folders of held-out subsets decide the split."""
    subset = path.parents[2]
    split = given_splits.split_of(subset.name) if subset != root else None
    name = f"{subset.name}/{path.stem}" if subset != root else path.stem
    decided = None if split == "train" else split
    return Utterance(str(path), name, path.parents[1].name, decided, text)


def read_common_voice(root: pathlib.Path) -> Corpus:
    """Reads a language of Common Voice (https://commonvoice.mozilla.org): `clips/` and its tables.

    The recordings of `train.tsv`, `dev.tsv` and `test.tsv` are used; without these tables those of
    `validated.tsv`, whose splits are then by hash.
    """
    tables: dict[str, Split | None] = {
        name: split for name, split in _COMMON_VOICE_TABLES.items() if (root / name).is_file()
    } or {"validated.tsv": None}
    missing = [name for name in ("clips", *tables) if not (root / name).exists()]
    rows = [] if missing else [row for item in tables.items() for row in _voice_rows(root, *item)]
    if not rows:
        expected = "clips/ and train.tsv, dev.tsv, test.tsv or validated.tsv with its recordings"
        raise layout_error("common_voice", root, expected)
    return Corpus(tuple(sorted(rows, key=lambda item: item.name)))


def _voice_rows(root: pathlib.Path, name: str, split: Split | None) -> Iterator[Utterance]:
    """Yields the recordings of a table of Common Voice."""
    lines = transcripts.read_lines(root / name)
    table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    if not {"client_id", "path", "sentence"} <= set(table.fieldnames or ()):
        raise ValueError(
            "A table of Common Voice must have the columns client_id, path and sentence. "
            f"Received: columns={list(table.fieldnames or ())} in {str(root / name)!r}"
        )
    for row in table:
        if row["client_id"] and row["path"]:
            stem = pathlib.PurePath(row["path"]).stem
            audio = root / "clips" / row["path"]
            yield Utterance(str(audio), stem, row["client_id"], split, row["sentence"])
