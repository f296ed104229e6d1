"""Readers of speech, music and text corpora: from a folder on disk to a list of utterances.

A reader only looks at names (and transcripts); whether a file is sound is found out when it is
prepared. Every list is sorted by name and the same on every machine.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from absl import logging

from tfwavenet import files
from tfwavenet.checks import nearest_name
from tfwavenet.data import listing, splits, texts, transcripts
from tfwavenet.data.splits import Utterance

CorpusName = Literal[
    "folder",
    "ljspeech",
    "vctk",
    "cmu_arctic",
    "gtzan",
    "fsdd",
    "fsdd_digits",
    "speech_commands",
    "bundled",
    "text",
]
TEXT: CorpusName = "text"
AUDIO_EXTENSIONS = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".aiff", ".aif", ".au")
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
}
_ARCTIC_FOLDER = re.compile(r"cmu_us_(\w+?)_arctic")
_ARCTIC_PROMPT = re.compile(r'\(\s*(\S+)\s+"(.*)"\s*\)')


@dataclasses.dataclass(frozen=True)
class Corpus:
    """The result of a reader.

    Attributes:
        utterances: sorted by name, every one with a split.
        ignored: paths of files that are passed over, with the reason. A file may have no name of
            audio (`folder`) or text (`text`), repeat another text or another recording's name, or
            be a link that is not followed, see `listing.visible`.
        is_divisible: whether a part of a file can be held out.
    """

    utterances: tuple[Utterance, ...]
    ignored: Mapping[str, str] = dataclasses.field(default_factory=dict)
    is_divisible: bool = False


def read_corpus(
    name: CorpusName,
    *,
    root: files.PathLike | None = None,
    validation: float = 0.05,
    test: float = 0.05,
    seed: int = 0,
) -> Corpus:
    """Lists the utterances of a corpus.

    | name | expected below `root` | speaker | split |
    |---|---|---|---|
    | `folder` | audio files at any depth | first folder, if any | by hash |
    | `ljspeech` | `metadata.csv`, `wavs/*.wav` | `LJ` | by hash |
    | `vctk` | `wav48/` or `wav48_silence_trimmed/` (first microphone) | `p225`... | by hash |
    | `cmu_arctic` | `cmu_us_<speaker>_arctic/wav/*.wav` | `<speaker>` | by hash |
    | `gtzan` | `<genre>/<genre>.<number>.<wav or au>`, also in `genres*/` | genre | by hash |
    | `fsdd` | `{digit}_{speaker}_{index}.wav`, also in `recordings/` | speaker | 0-4: test |
    | `fsdd_digits` | as for `fsdd` | the digit, such as `seven` | 0-4: test |
    | `speech_commands` | `zero/*.wav` to `nine/*.wav`, two lists | the digit | by the lists |
    | `bundled` | nothing: it comes with the package | voice | fixed |
    | `text` | UTF-8 files, see `texts.is_text`, at any depth; or is one | `text` | by hash |

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

    Returns:
        At least one utterance.

    Raises:
        ValueError: if the name is unknown, `root` is missing or superfluous, or the folder does not
            have the layout; the message says what is expected and what is there.

    Example:
        >>> corpus = read_corpus("bundled")
        >>> corpus.utterances[0].speaker, corpus.utterances[0].split
        ('amber', 'train')
    """
    reader = _reader(name)
    folder = _root_folder(name, root)
    corpus = _with_distinct_names(_with_readable_texts(reader(folder), name, folder))
    if any(item.split == "test" for item in corpus.utterances):
        test = 0.0
    held_out = {"validation": validation, "test": test}
    if corpus.is_divisible and len(corpus.utterances) < _FEW_TEXTS:
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


def _layout_error(corpus: str, folder: pathlib.Path, expected: str) -> ValueError:
    """Returns the error for a folder that is not laid out as the corpus is."""
    return ValueError(
        f"The corpus {corpus!r} is expected to have {expected}, found {listing.description(folder)}. "
        f"Received: root={str(folder)!r}"
    )


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
    """Reads any folder: all audio files; the first folder below the root is the speaker."""
    found = listing.visible(root)
    audio = [path for path in found.files if path.suffix.lower() in AUDIO_EXTENSIONS]
    if not audio:
        expected = f"audio files ({', '.join(AUDIO_EXTENSIONS)}) at any depth"
        raise _layout_error("folder", root, expected)
    names = listing.names(root, audio)
    return Corpus(
        utterances=tuple(
            Utterance(path=str(path), name=name, speaker=_folder_speaker(path, root))
            for path, name in names.items()
        ),
        ignored={
            **listing.passed_over(set(found.files) - set(audio), "not audio by its extension"),
            **found.left_out,
        },
    )


def _folder_speaker(path: pathlib.Path, root: pathlib.Path) -> str:
    """Returns the first folder below the root, or the name of the root itself."""
    parts = path.relative_to(root).parts
    return parts[0] if len(parts) > 1 else root.name


def _read_ljspeech(root: pathlib.Path) -> Corpus:
    """Reads LJ Speech 1.1 (https://keithito.com/LJ-Speech-Dataset): one speaker, 22.05 kHz."""
    table = root / "metadata.csv"
    if not table.is_file() or not (root / "wavs").is_dir():
        raise _layout_error("ljspeech", root, "metadata.csv and wavs/")
    rows = _ljspeech_rows(table)
    return Corpus(
        tuple(
            Utterance(str(root / "wavs" / f"{name}.wav"), name, "LJ", text=text)
            for name, text in rows.items()
        )
    )


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
    for name, *texts_of_name in rows:
        text = texts_of_name[-1]
        if found.setdefault(name, text) != text:
            raise ValueError(
                "The metadata.csv of LJ Speech is expected to have one text for every name. "
                f"Received: {name!r} with {found[name]!r} and with {text!r} in {str(table)!r}"
            )
    return found


def _read_vctk(root: pathlib.Path) -> Corpus:
    """Reads VCTK 0.80 (`wav48/`) or 0.92 (`wav48_silence_trimmed/`, first microphone)."""
    new, old = root / "wav48_silence_trimmed", root / "wav48"
    paths = sorted(new.glob("*/*_mic1.flac")) or sorted(old.glob("*/*.wav"))
    if not paths:
        expected = "wav48/<speaker>/*.wav or wav48_silence_trimmed/<speaker>/*_mic1.flac"
        raise _layout_error("vctk", root, expected)
    return Corpus(tuple(_vctk_utterance(path, root) for path in paths))


def _vctk_utterance(path: pathlib.Path, root: pathlib.Path) -> Utterance:
    """Returns a recording of VCTK; a few have no transcript."""
    name = path.stem[: -len("_mic1")] if path.stem.endswith("_mic1") else path.stem
    speaker = path.parent.name
    transcript = root / "txt" / speaker / f"{name}.txt"
    text = transcripts.read(transcript).strip() if transcript.is_file() else None
    return Utterance(str(path), name, speaker, text=text)


def _read_cmu_arctic(root: pathlib.Path) -> Corpus:
    """Reads CMU ARCTIC (http://festvox.org/cmu_arctic): `root` is a voice or holds several."""
    folders = [root, *sorted(root.iterdir())]
    voices = {
        match.group(1): folder
        for folder in folders
        if (match := _ARCTIC_FOLDER.fullmatch(folder.name)) and (folder / "wav").is_dir()
    }
    utterances = [item for speaker, path in voices.items() for item in _arctic_voice(path, speaker)]
    if not utterances:
        raise _layout_error("cmu_arctic", root, "cmu_us_<speaker>_arctic/wav/*.wav")
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
        raise _layout_error("gtzan", root, expected)
    return Corpus(tuple(Utterance(str(path), path.stem, path.parent.name) for path in paths))


def _read_fsdd(root: pathlib.Path, corpus: str = "fsdd") -> Corpus:
    """Reads the Free Spoken Digit Dataset (https://github.com/Jakobovski/free-spoken-digit-dataset)."""
    folders = (root, root / "recordings")
    paths = sorted(path for folder in folders for path in folder.glob("*.wav"))
    utterances = [
        _fsdd_utterance(path, match) for path in paths if (match := _FSDD_NAME.fullmatch(path.stem))
    ]
    if not utterances:
        raise _layout_error(corpus, root, "{digit}_{speaker}_{index}.wav or that in recordings/")
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
        raise _layout_error("speech_commands", root, f"{expected} (no {missing[0]})")
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
        raise _layout_error(TEXT, root, "text files at any depth")
    repeated = texts.repetitions(chosen)
    names = listing.names(root, (path for path in chosen if path not in repeated))
    return Corpus(
        utterances=tuple(Utterance(str(path), name, TEXT) for path, name in names.items()),
        ignored={
            **listing.passed_over(set(found.files) - set(chosen), "not text by its name"),
            **{str(path): f"the same as {str(first)!r}" for path, first in repeated.items()},
            **found.left_out,
        },
        is_divisible=True,
    )


_READERS: dict[str, Callable[[pathlib.Path], Corpus]] = {
    "folder": _read_folder,
    "ljspeech": _read_ljspeech,
    "vctk": _read_vctk,
    "cmu_arctic": _read_cmu_arctic,
    "gtzan": _read_gtzan,
    "fsdd": _read_fsdd,
    "fsdd_digits": _read_fsdd_digits,
    "speech_commands": _read_speech_commands,
    "bundled": _read_bundled,
    "text": _read_text,
}
