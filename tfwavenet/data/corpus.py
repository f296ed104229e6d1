"""Holds what a reader of a corpus returns, and its error for a folder of another layout."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping

from tfwavenet.data import listing
from tfwavenet.data.splits import Utterance


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


def layout_error(corpus: str, folder: pathlib.Path, expected: str) -> ValueError:
    """Returns the error for a folder that is not laid out as the corpus is."""
    return ValueError(
        f"The corpus {corpus!r} is expected to have {expected}, found {listing.description(folder)}. "
        f"Received: root={str(folder)!r}"
    )
