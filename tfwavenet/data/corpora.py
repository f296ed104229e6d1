"""Readers of speech, music and text corpora: from a folder on disk to a list of utterances.

A reader only looks at names (and transcripts); whether a file is sound is found out when it is
prepared. Every list is sorted by name and the same on every machine.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Callable, Iterable
from typing import Literal

from absl import logging

from tfwavenet import files
from tfwavenet.checks import nearest_name
from tfwavenet.data import (
    defaults,
    given_splits,
    listing,
    speech_corpora,
    splits,
    texts,
    transcripts,
)
from tfwavenet.data.corpus import Corpus, layout_error
from tfwavenet.data.splits import Utterance

CorpusName = Literal[
    "folder",
    "ljspeech",
    "vctk",
    "cmu_arctic",
    "librispeech",
    "libritts",
    "common_voice",
    "gtzan",
    "fsdd",
    "fsdd_digits",
    "speech_commands",
    "bundled",
    "text",
]
TEXT: CorpusName = "text"
AUDIO_EXTENSIONS = (
    ".wav",
    ".flac",
    ".mp3",
    ".ogg",
    ".oga",
    ".opus",
    ".aiff",
    ".aif",
    ".aifc",
    ".au",
    ".w64",
    ".caf",
)
GTZAN_GENRES = (
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
)
BUNDLED_ROOT = pathlib.Path(__file__).parent / "bundled"

# Fewer texts than this are not split by file: each gives a stretch of itself to every set.
_FEW_TEXTS = 20
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_FSDD_NAME = re.compile(r"(\d)_([^_]+)_(\d+)")
_FSDD_TEST_INDICES = range(5)
_COMMANDS_LISTS: dict[str, splits.Split] = {
    "validation_list.txt": "validation",
    "testing_list.txt": "test",
}
_TRANSCRIPTS = {
    "ljspeech": "metadata.csv",
    "vctk": "txt/<speaker>/<name>.txt",
    "cmu_arctic": "etc/txt.done.data",
    "librispeech": "*.trans.txt",
    "libritts": "*.normalized.txt",
    "common_voice": "*.tsv",
}


def read_corpus(
    name: CorpusName,
    *,
    root: files.PathLike | None = None,
    validation: float = defaults.VALIDATION,
    test: float = defaults.TEST,
    seed: int = defaults.SEED,
    split_list: files.PathLike | None = None,
) -> Corpus:
    """Lists the utterances of a corpus.

    | name | expected below `root` | speaker | split |
    |---|---|---|---|
    | `folder` | audio files at any depth | first folder, if any | by folder, or by hash |
    | `ljspeech` | `metadata.csv`, `wavs/*.wav`; or FLAC, in `wav/` | `LJ` | by hash |
    | `vctk` | `wav48/` or `wav48_silence_trimmed/` (first microphone) | `p225`... | by hash |
    | `cmu_arctic` | `cmu_us_<speaker>_arctic/wav/*.wav` | `<speaker>` | by hash |
    | `librispeech` | `train-clean-100/<speaker>/<chapter>/*.flac`... | `103`... | by folder |
    | `libritts` | `train-clean-100/<speaker>/<chapter>/*.wav`... | `103`... | by folder |
    | `common_voice` | `clips/`; `train.tsv`, `dev.tsv`, `test.tsv` | `client_id` | by the tables |
    | `gtzan` | `<genre>/<genre>.<number>.<wav or au>`, also in `genres*/` | genre | by hash |
    | `fsdd` | `{digit}_{speaker}_{index}.wav`, also in `recordings/` | speaker | 0-4: test |
    | `fsdd_digits` | as for `fsdd` | the digit, such as `seven` | 0-4: test |
    | `speech_commands` | `zero/*.wav` to `nine/*.wav`, two lists | the digit | by the lists |
    | `bundled` | nothing: it comes with the package | voice | fixed |
    | `text` | UTF-8 files, see `texts.is_text`, at any depth; or is one | `text` | by hash |

    Folders named after sets, such as `train/`, `valid/` or `dev-clean/`, and `test/`, decide the
    split of `folder`; they lie in the corpus or in each speaker's folder, and name no speaker. So
    do texts called `train.txt`, `valid.txt` and `test.txt`. A set that the corpus or `split_list`
    has is used as it is; a held-out set that is missing is dealt from the training set by hash.

    If no file of a folder has the name of a text, all files are tried as texts. Fewer than 20
    texts are not split by file: the end of every text is held out.

    Linked files and folders are read as if they lay in the corpus; `folder` and `text` use every
    folder once, see `listing.visible`. Of recordings that have one name, the first is used.

    Transcripts are UTF-8, or UTF-16 with a byte order mark. A recording whose transcript is in
    another encoding is used without its text; one warning tells how many these are.

    Args:
        name: name of the corpus.
        root: folder of the corpus (or file, for `text`). If None, the corpus is `bundled`.
        validation: share of the files to hold back for validation where the corpus does not say,
            at least 0. See `splits.assign_splits`.
        test: share of the files to hold back for testing, likewise.
        seed: chooses the files that are held back.
        split_list: file that names the set of each recording, see `given_splits.apply_list`. If
            None, the corpus decides.

    Returns:
        At least one utterance.

    Raises:
        ValueError: if the name is unknown, `root` is missing or superfluous, or the folder does not
            have the layout; the message says what is expected and what is there.

    Examples:
        >>> corpus = read_corpus("bundled")
        >>> corpus.utterances[0].speaker, corpus.utterances[0].split
        ('amber', 'train')
    """
    reader = _reader(name)
    folder = _root_folder(name, root)
    corpus = _with_distinct_names(_with_readable_texts(reader(folder), name, folder))
    if split_list is not None:
        corpus = given_splits.apply_list(corpus, split_list, folder)
    given = {item.split for item in corpus.utterances}
    held_out = {
        "validation": 0.0 if "validation" in given else validation,
        "test": 0.0 if "test" in given else test,
    }
    if corpus.is_divisible and given == {None} and len(corpus.utterances) < _FEW_TEXTS:
        utterances = splits.cut_stretches(corpus.utterances, **held_out)
    else:
        utterances = splits.assign_splits(corpus.utterances, **held_out, seed=seed)
    return dataclasses.replace(corpus, utterances=tuple(utterances))


def _reader(name: str) -> Callable[[pathlib.Path], Corpus]:
    """Returns the reader of that name."""
    if name not in _READERS:
        known = ", ".join(sorted(_READERS))
        raise ValueError(
            f"corpus must be one of {known}{nearest_name(name, _READERS)}. Received: corpus={name!r}"
        )
    return _READERS[name]


def _root_folder(name: str, root: files.PathLike | None) -> pathlib.Path:
    """Checks `root` against the corpus and returns it as an absolute path."""
    if name == "bundled":
        if root:
            raise ValueError(
                f"The corpus 'bundled' comes with the package and takes no root. Received: {root=}"
            )
        return BUNDLED_ROOT
    if not root:
        raise ValueError(f"The corpus {name!r} needs the folder it lies in. Received: {root=}")
    folder = pathlib.Path(root).expanduser().absolute()
    if not (folder.is_dir() or (name == TEXT and folder.is_file())):
        what = "a file" if folder.exists() else "nothing of that name"
        raise ValueError(
            f"The root of the corpus {name!r} must be a folder, found {what}. "
            f"Received: root={str(root)!r}"
        )
    return folder


def _with_readable_texts(corpus: Corpus, name: str, root: pathlib.Path) -> Corpus:
    """Leaves out the transcripts that could not be decoded, with one warning."""
    garbled = [
        item for item in corpus.utterances if item.text and transcripts.is_garbled(item.text)
    ]
    if not garbled:
        return corpus
    logging.warning(
        "The transcripts of %d recordings are left out: %s of the corpus %r is expected to be "
        "UTF-8, in %r. The first recording: %r",
        len(garbled),
        _TRANSCRIPTS[name],
        name,
        str(root),
        garbled[0].name,
    )
    readable = {item: dataclasses.replace(item, text=None) for item in garbled}
    return dataclasses.replace(
        corpus, utterances=tuple(readable.get(item, item) for item in corpus.utterances)
    )


def _with_distinct_names(corpus: Corpus) -> Corpus:
    """Passes over the recordings whose name an earlier recording has."""
    first: dict[str, Utterance] = {}
    repeated: dict[str, str] = {}
    for item in corpus.utterances:
        if first.setdefault(item.name, item) is not item:
            repeated[item.path] = f"the same name as {first[item.name].path!r}"
    if not repeated:
        return corpus
    ignored = {**corpus.ignored, **repeated}
    return dataclasses.replace(corpus, utterances=tuple(first.values()), ignored=ignored)


def _read_folder(root: pathlib.Path) -> Corpus:
    """Reads any folder: all audio files; the first folder that names no set is the speaker."""
    found = listing.visible(root)
    audio = [path for path in found.files if path.suffix.lower() in AUDIO_EXTENSIONS]
    if not audio:
        expected = f"audio files ({', '.join(AUDIO_EXTENSIONS)}) at any depth"
        raise layout_error("folder", root, expected)
    names, places = listing.names(root, audio), given_splits.from_folders(root, audio)
    return Corpus(
        utterances=tuple(
            Utterance(str(path), name, (*place.folders, root.name)[0], place.split)
            for path, name in names.items()
            for place in [places[path]]
        ),
        ignored={
            **listing.passed_over(set(found.files) - set(audio), "not audio by its extension"),
            **found.left_out,
        },
    )


def _read_gtzan(root: pathlib.Path) -> Corpus:
    """Reads the GTZAN genre collection: 100 clips of 30 s for each of ten genres."""
    folders = (root, root / "genres", root / "genres_original")
    paths = [
        path
        for folder in folders
        for genre in GTZAN_GENRES
        for path in sorted((folder / genre).glob(f"{genre}.*"))
        if path.suffix in (".wav", ".au")
    ]
    if not paths:
        expected = "<genre>/<genre>.<number>.wav (or .au), or that below genres/"
        raise layout_error("gtzan", root, expected)
    return Corpus(tuple(Utterance(str(path), path.stem, path.parent.name) for path in paths))


def _read_fsdd(root: pathlib.Path, corpus: str = "fsdd") -> Corpus:
    """Reads the Free Spoken Digit Dataset (https://github.com/Jakobovski/free-spoken-digit-dataset)."""
    folders = (root, root / "recordings")
    paths = sorted(path for folder in folders for path in folder.glob("*.wav"))
    utterances = [
        _fsdd_utterance(path, match) for path in paths if (match := _FSDD_NAME.fullmatch(path.stem))
    ]
    if not utterances:
        raise layout_error(corpus, root, "{digit}_{speaker}_{index}.wav or that in recordings/")
    return Corpus(tuple(utterances))


def _read_fsdd_digits(root: pathlib.Path) -> Corpus:
    """Reads FSDD for models that are conditioned on the digit instead of the speaker."""
    found = _read_fsdd(root, "fsdd_digits").utterances
    return Corpus(tuple(dataclasses.replace(item, speaker=str(item.text)) for item in found))


def _fsdd_utterance(path: pathlib.Path, match: re.Match[str]) -> Utterance:
    """Returns a recording of a digit; the first five of each are the corpus' own test split."""
    digit, speaker, index = match.groups()
    split: splits.Split | None = "test" if int(index) in _FSDD_TEST_INDICES else None
    return Utterance(str(path), path.stem, speaker, split, _DIGITS[int(digit)])


def _read_speech_commands(root: pathlib.Path) -> Corpus:
    """Reads the digits of Speech Commands (Warden, arXiv:1804.03209), known as SC09."""
    paths = {digit: sorted((root / digit).glob("*.wav")) for digit in _DIGITS}
    missing = [f"{digit}/*.wav" for digit in _DIGITS if not paths[digit]]
    missing += [name for name in _COMMANDS_LISTS if not (root / name).is_file()]
    if missing:
        expected = f"zero/*.wav to nine/*.wav, {' and '.join(_COMMANDS_LISTS)}"
        raise layout_error("speech_commands", root, f"{expected} (no {missing[0]})")
    names = {f"{digit}/{path.name}": path for digit in _DIGITS for path in paths[digit]}
    held_out = _commands_held_out(root, names)
    return Corpus(
        tuple(
            Utterance(
                path=str(path),
                name=name[: -len(".wav")],
                speaker=path.parent.name,
                split=held_out.get(name, "train"),
                text=path.parent.name,
            )
            for name, path in names.items()
        )
    )


def _commands_held_out(root: pathlib.Path, names: Iterable[str]) -> dict[str, splits.Split]:
    """Returns the held-out recordings among `names`, such as `zero/0a7c2a8d_nohash_0.wav`."""
    held_out: dict[str, splits.Split] = {}
    for file_name, split in _COMMANDS_LISTS.items():
        listed = set(transcripts.read(root / file_name).split()) & set(names)
        if not listed:
            raise ValueError(
                f"The {file_name} of Speech Commands is expected to name recordings of digits, as "
                f"'zero/0a7c2a8d_nohash_0.wav', and names none that is there. "
                f"Received: root={str(root)!r}"
            )
        held_out.update(dict.fromkeys(listed, split))
    return held_out


def _read_bundled(root: pathlib.Path) -> Corpus:
    """Reads the speech in the package, made by `tfwavenet.data.bundled.make`."""
    rows = files.read_json(root / "metadata.json")
    return Corpus(
        tuple(
            Utterance(
                path=str(root / row["file"]),
                name=pathlib.PurePath(row["file"]).stem,
                speaker=row["speaker"],
                split=row["split"],
                text=row["text"],
            )
            for row in rows
        )
    )


def _read_text(root: pathlib.Path) -> Corpus:
    """Reads any text: a file, or all files of a folder that have the name of a text, once each.

    If no file has such a name, all are tried; preparing skips files that hold no text.
    """
    if root.is_file():
        return Corpus((Utterance(str(root), root.stem, TEXT),), is_divisible=True)
    found = listing.visible(root)
    chosen = [path for path in found.files if texts.is_text(path)] or list(found.files)
    if not chosen:
        raise layout_error(TEXT, root, "text files at any depth")
    repeated = texts.repetitions(chosen)
    names = listing.names(root, (path for path in chosen if path not in repeated))
    sets = given_splits.from_file_names(names)
    return Corpus(
        utterances=tuple(
            Utterance(str(path), name, TEXT, sets[path]) for path, name in names.items()
        ),
        ignored={
            **listing.passed_over(set(found.files) - set(chosen), "not text by its name"),
            **{str(path): f"the same as {str(first)!r}" for path, first in repeated.items()},
            **found.left_out,
        },
        is_divisible=True,
    )


_READERS: dict[str, Callable[[pathlib.Path], Corpus]] = {
    "folder": _read_folder,
    "ljspeech": speech_corpora.read_ljspeech,
    "vctk": speech_corpora.read_vctk,
    "cmu_arctic": speech_corpora.read_cmu_arctic,
    "librispeech": speech_corpora.read_librispeech,
    "libritts": speech_corpora.read_libritts,
    "common_voice": speech_corpora.read_common_voice,
    "gtzan": _read_gtzan,
    "fsdd": _read_fsdd,
    "fsdd_digits": _read_fsdd_digits,
    "speech_commands": _read_speech_commands,
    "bundled": _read_bundled,
    "text": _read_text,
}
