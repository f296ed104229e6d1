"""Defines the prepared utterances that a model is evaluated on, and joins short ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Optional, Protocol

import numpy as np


class Utterance(Protocol):
    """One held-out utterance, as `data.Records.utterances` yields it.

    Shapes: the signal is [samples], the mel [samples / hop_samples, n_mels].
    """

    @property
    def name(self) -> str:
        """Returns a name that is unique among the utterances."""

    @property
    def signal(self) -> np.ndarray:
        """Returns what the network sees: float32 [samples] in [-1, 1], or codes of text int32."""

    @property
    def mel(self) -> Optional[np.ndarray]:
        """Returns float32 [samples / hop_samples, n_mels]. If the data have no mels, None."""

    @property
    def speaker(self) -> Optional[int]:
        """Returns the number of the speaker, or None."""

    @property
    def text(self) -> Optional[str]:
        """Returns the sentence that is said, or None if it is unknown."""


class Recording(NamedTuple):
    """A recording that is no part of prepared data, as an `Utterance`.

    Shapes: the signal is [samples], the mel [samples / hop_samples, n_mels].
    """

    name: str
    signal: np.ndarray
    mel: Optional[np.ndarray]
    speaker: Optional[int] = None
    text: Optional[str] = None


def mel_of(utterance: Utterance) -> np.ndarray:
    """Returns the mel of an utterance, [frames, n_mels].

    Raises:
        ValueError: If it has no mel; names it.
    """
    if utterance.mel is None:
        raise ValueError(f"The model needs mels. Received: none for utterance={utterance.name!r}")
    return utterance.mel


def speaker_of(utterance: Utterance) -> int:
    """Returns the number of the speaker of an utterance.

    Raises:
        ValueError: If it has no speaker; names it.
    """
    if utterance.speaker is None:
        raise ValueError(f"The model needs a speaker. Received: none for {utterance.name!r}")
    return utterance.speaker


def joined(utterances: Sequence[Utterance], *, least_samples: int) -> list[list[int]]:
    """Groups short utterances of a speaker, so that each group lasts long enough to be measured.

    PESQ is made for 8 to 30 s with at least 3 s of speech (ITU-T P.862.3), and STOI needs 0.4 s.
    Utterances keep their order. A long enough utterance stays alone, unless a short utterance of
    the same speaker comes before it. If the last group of a speaker is too short, it joins the
    group before.

    Args:
        utterances: the utterances.
        least_samples: wanted length of a group.

    Returns:
        Indices into `utterances` of each group; every index is in exactly one group.
    """
    groups: list[list[int]] = []
    for indices in _by_speaker(utterances):
        own: list[list[int]] = []
        missing = 0
        for index in indices:
            if missing <= 0:
                own.append([])
                missing = least_samples
            own[-1].append(index)
            missing -= len(utterances[index].signal)
        if missing > 0 and len(own) > 1:
            own[-2].extend(own.pop())
        groups.extend(own)
    return sorted(groups)


def _by_speaker(utterances: Sequence[Utterance]) -> Iterator[list[int]]:
    speakers: dict[Optional[int], list[int]] = {}
    for index, utterance in enumerate(utterances):
        speakers.setdefault(utterance.speaker, []).append(index)
    yield from speakers.values()
