"""The recordings that a model is evaluated on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Optional, Protocol

import numpy as np


class Clip(Protocol):
    """One held-out recording, as `data.Records.utterances` yields it."""

    @property
    def name(self) -> str:
        """Unique among the recordings."""

    @property
    def signal(self) -> np.ndarray:
        """What the network sees: float32 [samples] in [-1, 1], or codes of text int32."""

    @property
    def mel(self) -> Optional[np.ndarray]:
        """Features: float32 [samples / hop_samples, n_mels], or None for data without."""

    @property
    def speaker(self) -> Optional[int]:
        """Number of the speaker, or None."""


def mel_of(clip: Clip) -> np.ndarray:
    """The mel [frames, n_mels] of a recording.

    Raises:
        ValueError: if it has none; the message names it.
    """
    if clip.mel is None:
        raise ValueError(f"The model needs mels. Received: none for utterance={clip.name!r}")
    return clip.mel


def speaker_of(clip: Clip) -> int:
    """The number of the speaker of a recording.

    Raises:
        ValueError: if it has none; the message names it.
    """
    if clip.speaker is None:
        raise ValueError(f"The model needs a speaker. Received: none for {clip.name!r}")
    return clip.speaker


def joined(clips: Sequence[Clip], *, least_samples: int) -> list[list[int]]:
    """Groups short recordings of a speaker, so that each group lasts long enough to be measured.

    PESQ is made for 8 to 30 s with at least 3 s of speech (ITU-T P.862.3), and STOI needs 0.4 s.
    Recordings keep their order; one that is long enough by itself stays alone unless a short one
    of the same speaker waits for company. The last group of a speaker that is too short joins
    the one before.

    Args:
        clips: the recordings.
        least_samples: wanted length of a group.

    Returns:
        Indices into `clips` of each group; every index is in exactly one.
    """
    groups: list[list[int]] = []
    for indices in _by_speaker(clips):
        own: list[list[int]] = []
        missing = 0
        for index in indices:
            if missing <= 0:
                own.append([])
                missing = least_samples
            own[-1].append(index)
            missing -= len(clips[index].signal)
        if missing > 0 and len(own) > 1:
            own[-2].extend(own.pop())
        groups.extend(own)
    return sorted(groups)


def _by_speaker(clips: Sequence[Clip]) -> Iterator[list[int]]:
    speakers: dict[Any, list[int]] = {}
    for index, clip in enumerate(clips):
        speakers.setdefault(clip.speaker, []).append(index)
    yield from speakers.values()
