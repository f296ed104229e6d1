"""Finds the train, validation and test sets that a corpus comes with: in its folders or in a list."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tfwavenet import files
from tfwavenet.data import listing, transcripts
from tfwavenet.data.corpus import Corpus
from tfwavenet.data.splits import SPLITS, Split, Utterance

# "train-clean-100" and "val_2" count, "trains" does not.
_WORDS: dict[Split, re.Pattern[str]] = {
    "train": re.compile(r"train(ing)?([-_. ].*)?", re.IGNORECASE),
    "validation": re.compile(r"(val(id(ation)?)?|dev(elopment)?)([-_. ].*)?", re.IGNORECASE),
    "test": re.compile(r"(test(ing)?|eval(uation)?)([-_. ].*)?", re.IGNORECASE),
}
_SEPARATOR = re.compile(r"[\t|,]")


class Place(NamedTuple):
    """Describes where a file lies in a corpus whose folders are named after sets.

    Attributes:
        split: the set, or None for training files and for files outside of such folders.
        folders: the folders above the file, from the corpus on, without the set's folder.
    """

    split: Split | None
    folders: tuple[str, ...]


def split_of(word: str) -> Split | None:
    """Returns the set that a word such as "train", "dev" or "test-clean" names, or None."""
    return next((split for split, words in _WORDS.items() if words.fullmatch(word)), None)


def from_folders(root: pathlib.Path, paths: Iterable[pathlib.Path]) -> dict[pathlib.Path, Place]:
    """Finds the sets of files that lie in folders such as `train/`, `valid/` and `test/`.

    The folders of the sets lie in the corpus, or in the folder of every speaker. A folder called
    `train` that has no held-out set beside it may hold the sounds of trains: it is a set only if
    everything lies in it. Training files are left undecided (`split=None`), so that a held-out set
    that the corpus lacks is dealt from them.

    Args:
        root: folder of the corpus.
        paths: files below it.

    Returns:
        The place of every file. If no folder names a set, no file has one.
    """
    folders = {path: path.relative_to(root).parts[:-1] for path in paths}
    for depth in (0, 1):
        named = {
            path: split_of(parts[depth]) if len(parts) > depth else None
            for path, parts in folders.items()
        }
        found = set(named.values())
        if "train" in found and (found & {"validation", "test"} or found == {"train"}):
            return {path: _place(named[path], folders[path], depth) for path in folders}
    return {path: Place(None, parts) for path, parts in folders.items()}


def _place(split: Split | None, folders: Sequence[str], depth: int) -> Place:
    """Returns the place of a file, below the folder at `depth` if that names a set."""
    kept = tuple(folders)
    if split is not None:
        kept = (*folders[:depth], *folders[depth + 1 :])
    return Place(None if split == "train" else split, kept)


def from_file_names(paths: Iterable[pathlib.Path]) -> dict[pathlib.Path, Split | None]:
    """Finds the sets of texts such as `train.txt` and `valid.txt`, or `wiki.test.raw`.

    Args:
        paths: files.

    Returns:
        The set of every file; None for training texts, and for all where no text is held out.
    """
    named = {path: _set_in_name(path) for path in paths}
    if "train" not in named.values() or not {"validation", "test"} & set(named.values()):
        return dict.fromkeys(named)
    return {path: None if split == "train" else split for path, split in named.items()}


def _set_in_name(path: pathlib.Path) -> Split | None:
    """Returns the set that a part of a file's name is the word for."""
    return next((split for part in path.name.split(".") if (split := split_of(part))), None)


def apply_list(corpus: Corpus, path: files.PathLike, root: pathlib.Path) -> Corpus:
    """Gives every recording the set that a list names.

    The list has lines of `name,set`, `name|set` or `name<tab>set`, or is JSON that maps each set to
    its names. A name is that of the recording in the corpus, or the path of its file below `root`,
    with or without the extension. Sets have the usual names, see `split_of`.

    Args:
        corpus: what a reader found.
        path: the list, UTF-8.
        root: folder of the corpus.

    Returns:
        The corpus. Recordings that the list does not name are passed over if it names a training
        set, else they are for training.

    Raises:
        ValueError: if a line has another form, a name is in two sets or of no recording.
        OSError: if the list cannot be read.
    """
    listed = _read_list(pathlib.Path(path).expanduser())
    by_name = {key: item for item in corpus.utterances for key in _keys(item, root)}
    chosen: dict[str, Split] = {}
    unknown = [name for name in listed if name not in by_name]
    if unknown:
        examples = ", ".join(repr(item.name) for item in corpus.utterances[:2])
        raise ValueError(
            f"A list of splits must name recordings of the corpus, such as {examples}. Received: "
            f"{unknown[0]!r} and {len(unknown) - 1} further unknown names in {os.fspath(path)!r}"
        )
    for name, split in listed.items():
        recording = by_name[name].name
        if chosen.setdefault(recording, split) != split:
            raise _two_sets(recording, path)
    has_training = "train" in chosen.values()
    kept = [
        dataclasses.replace(item, split=chosen.get(item.name))
        for item in corpus.utterances
        if item.name in chosen or not has_training
    ]
    dropped = [
        pathlib.Path(item.path)
        for item in corpus.utterances
        if item.name not in chosen and has_training
    ]
    return dataclasses.replace(
        corpus,
        utterances=tuple(kept),
        ignored={**corpus.ignored, **listing.passed_over(dropped, "not in the list of splits")},
        is_divisible=False,
    )


def _keys(item: Utterance, root: pathlib.Path) -> set[str]:
    """Returns the names by which a list may call a recording."""
    relative = pathlib.PurePath(os.path.relpath(item.path, root))
    suffix = relative.suffix
    return {item.name, item.name + suffix, relative.as_posix(), relative.with_suffix("").as_posix()}


def _read_list(path: pathlib.Path) -> dict[str, Split]:
    """Reads a list of splits; see `apply_list`."""
    text = transcripts.read(path)
    rows = _json_rows(text, path) if text.lstrip().startswith("{") else _line_rows(text, path)
    found: dict[str, Split] = {}
    for name, word in rows:
        split = split_of(word)
        if split is None:
            raise ValueError(
                f"A list of splits must call the sets {', '.join(SPLITS)}. Received: {word!r} for "
                f"{name!r} in {str(path)!r}"
            )
        if found.setdefault(name, split) != split:
            raise _two_sets(name, path)
    if not found:
        raise ValueError(f"A list of splits must name a recording. Received: {str(path)!r}")
    return found


def _two_sets(name: str, path: files.PathLike) -> ValueError:
    return ValueError(
        f"A list of splits must put every recording into one set. Received: {name!r} in two, in "
        f"{os.fspath(path)!r}"
    )


def _line_rows(text: str, path: pathlib.Path) -> list[tuple[str, str]]:
    """Returns the names and sets of lines; a first line of column titles is skipped."""
    rows = [_SEPARATOR.split(line.strip()) for line in text.splitlines() if line.strip()]
    if rows and len(rows[0]) == 2 and rows[0][1].strip().lower() in ("split", "set", "subset"):
        rows = rows[1:]
    bad = next((row for row in rows if len(row) != 2 or not all(map(str.strip, row))), None)
    if bad is not None:
        raise ValueError(
            "A list of splits must have lines of 'name,set', with one comma, tab or bar. "
            f"Received: line={'|'.join(bad)!r} in {str(path)!r}"
        )
    return [(name.strip(), word.strip()) for name, word in rows]


def _json_rows(text: str, path: pathlib.Path) -> list[tuple[str, str]]:
    """Returns the names and sets of a JSON mapping from sets to names."""
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"A list of splits that begins with a brace must be JSON. Received: {error} in "
            f"{str(path)!r}"
        ) from error
    whole = isinstance(content, Mapping) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names)
        for names in content.values()
    )
    if not whole:
        raise ValueError(
            "A list of splits in JSON must map every set to a list of names. "
            f"Received: {text[:60]!r} in {str(path)!r}"
        )
    return [(name, split) for split, names in content.items() for name in names]
