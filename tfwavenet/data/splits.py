"""Makes train, validation and test sets that depend on names and a seed only."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Literal, get_args

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclasses.dataclass(frozen=True)
class Utterance:
    """One recording of a corpus.

    Attributes:
        path: the audio file.
        name: unique name in the corpus, the path below the root without its extension.
        speaker: speaker, or class label in corpora without speakers.
        split: the set of the recording. If None, the reader has not decided.
        text: the transcript. If None, the recording has no transcript that can be read.
        part: begin and end of a text in its file, as shares of the whole file.
        features: the file of its features. If None, features are computed, or there are none.
    """

    path: str
    name: str
    speaker: str
    split: Split | None = None
    text: str | None = None
    part: tuple[float, float] = (0.0, 1.0)
    features: str | None = None


def assign_splits(
    utterances: Iterable[Utterance], *, validation: float, test: float, seed: int
) -> list[Utterance]:
    """Gives every undecided utterance a split, speaker by speaker.

    A speaker's `n` undecided utterances are sorted by the hashes of their names under `seed`. The
    first `round(test * n)` are for testing, the next `round(validation * n)` for validation. A
    positive fraction may round to nothing for all speakers. Such a set gets the training utterance
    with the smallest hash, as long as one remains for training.

    Args:
        utterances: utterances with distinct names, in any order.
        validation: share of every speaker for validation, 0 up to 1.
        test: share of every speaker for testing, 0 up to 1; `validation + test` is below 1.
        seed: another seed gives another choice.

    Returns:
        The utterances sorted by name, each with its split.

    Raises:
        ValueError: if the fractions are out of range.
    """
    _check_fractions(validation, test)
    ordered = sorted(utterances, key=lambda item: item.name)
    chosen: dict[str, Split] = {item.name: item.split for item in ordered if item.split}
    undecided = sorted((item for item in ordered if not item.split), key=_hash_key(seed))
    fractions: dict[Split, float] = {"test": test, "validation": validation}
    by_speaker = defaultdict(list)
    for item in undecided:
        by_speaker[item.speaker].append(item.name)
    for names in by_speaker.values():
        chosen.update(_deal(names, fractions))
    _fill_empty_sets(chosen, [item.name for item in undecided], fractions)
    return [dataclasses.replace(item, split=chosen[item.name]) for item in ordered]


def cut_stretches(
    utterances: Iterable[Utterance], *, validation: float, test: float
) -> list[Utterance]:
    """Splits every file by itself: the end is for testing, the part before for validation.

    Args:
        utterances: whole files, in any order.
        validation: share of every file for validation, 0 up to 1.
        test: share of every file for testing, 0 up to 1; `validation + test` is below 1.

    Returns:
        The stretches sorted by name, each with its split, without overlap.

    Raises:
        ValueError: if the fractions are out of range.
    """
    _check_fractions(validation, test)
    test_start = 1.0 - test
    validation_start = test_start - validation
    parts: dict[Split, tuple[float, float]] = {
        "test": (test_start, 1.0),
        "train": (0.0, validation_start),
        "validation": (validation_start, test_start),
    }
    return [
        dataclasses.replace(item, name=f"{item.name}.{split}", split=split, part=part)
        for item in sorted(utterances, key=lambda item: item.name)
        for split, part in parts.items()
        if part[0] < part[1]
    ]


def _check_fractions(validation: float, test: float) -> None:
    if not (0 <= validation and 0 <= test and validation + test < 1):
        raise ValueError(
            "validation and test must be fractions of at least 0 whose sum is below 1. "
            f"Received: validation={validation}, test={test}"
        )


def _hash_key(seed: int) -> Callable[[Utterance], bytes]:
    """Returns a sort key: a hash of the seed and the name, equal on every machine."""

    def key(item: Utterance) -> bytes:
        return hashlib.sha256(f"{seed}:{item.name}".encode("utf-8", "surrogateescape")).digest()

    return key


def _deal(names: list[str], fractions: dict[Split, float]) -> dict[str, Split]:
    """Deals one speaker's names, in hash order, to the held-out sets and then to training."""
    dealt: dict[str, Split] = dict.fromkeys(names, "train")
    start = 0
    for split, fraction in fractions.items():
        stop = start + math.floor(fraction * len(names) + 0.5)
        dealt.update(dict.fromkeys(names[start:stop], split))
        start = stop
    return dealt


def _fill_empty_sets(
    chosen: dict[str, Split], names: list[str], fractions: dict[Split, float]
) -> None:
    """Moves one name from training to every wanted set that is empty; changes `chosen`."""
    for split, fraction in fractions.items():
        training = [name for name in names if chosen[name] == "train"]
        if fraction > 0 and split not in chosen.values() and len(training) > 1:
            chosen[training[0]] = split
