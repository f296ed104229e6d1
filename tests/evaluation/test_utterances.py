"""Joining short utterances."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.clips import FakeClip
from tfwavenet.evaluation import utterances


def _clips(*lengths_and_speakers):
    return [
        FakeClip(str(index), np.zeros(length, np.float32), speaker=speaker)
        for index, (length, speaker) in enumerate(lengths_and_speakers)
    ]


@pytest.mark.parametrize(
    ("lengths", "groups"),
    [
        ([10], [[0]]),  # alone and too short
        ([100, 150], [[0], [1]]),  # long enough
        ([60, 60, 60, 60], [[0, 1], [2, 3]]),
        ([60, 60, 60], [[0, 1, 2]]),  # what is left joins the last
        ([99, 1, 100], [[0, 1], [2]]),  # exactly enough
        ([10, 200, 30], [[0, 1, 2]]),
    ],
)
def test_groups_of_one_speaker(lengths, groups):
    given = _clips(*((length, 0) for length in lengths))
    assert utterances.joined(given, least_samples=100) == groups


def test_speakers_stay_apart_and_order_is_kept():
    given = _clips((60, 0), (60, 1), (60, 0), (60, 1), (200, None))
    assert utterances.joined(given, least_samples=100) == [[0, 2], [1, 3], [4]]


def test_zero_joins_nothing():
    given = _clips((1, 0), (2, 0), (3, 0))
    assert utterances.joined(given, least_samples=0) == [[0], [1], [2]]


def test_every_utterance_is_in_one_group():
    rng = np.random.default_rng(0)
    given = _clips(*((int(rng.integers(1, 300)), int(rng.integers(3))) for _ in range(50)))
    groups = utterances.joined(given, least_samples=200)
    assert sorted(index for group in groups for index in group) == list(range(50))
    assert len({given[i].speaker for i in groups[0]}) == 1


def test_missing_parts_are_named():
    clip = FakeClip("what", np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="needs mels.*'what'"):
        utterances.mel_of(clip)
    with pytest.raises(ValueError, match="needs a speaker.*'what'"):
        utterances.speaker_of(clip)
