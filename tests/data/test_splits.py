"""Splits depend on names and the seed only, hold their shares, and leave no set empty in vain."""

from __future__ import annotations

import hashlib
import random
from collections import Counter

import pytest

from tfwavenet.data.splits import Utterance, assign_splits


def _utterances(speakers=("a",), each=40):
    return [
        Utterance(f"/x/{speaker}{index}.wav", f"{speaker}{index}", speaker)
        for speaker in speakers
        for index in range(each)
    ]


def _assign(utterances, validation=0.05, test=0.1, seed=0):
    return assign_splits(utterances, validation=validation, test=test, seed=seed)


def _sizes(utterances, speaker=None):
    return Counter(item.split for item in utterances if speaker in (None, item.speaker))


@pytest.mark.parametrize("each", [20, 40, 100])
def test_every_speaker_is_held_out_in_proportion(each):
    found = _assign(_utterances(("a", "b"), each))
    for speaker in "ab":
        sizes = _sizes(found, speaker)
        assert sizes["test"] == each // 10
        assert sizes["validation"] == each // 20


def test_order_of_the_input_does_not_matter():
    utterances = _utterances(("a", "b"))
    shuffled = random.Random(1).sample(utterances, len(utterances))
    assert _assign(shuffled) == _assign(utterances)
    assert [item.name for item in _assign(shuffled)] == sorted(item.name for item in utterances)


def test_seed_chooses_other_utterances():
    first, second = (
        {item.name for item in _assign(_utterances(), seed=seed) if item.split == "test"}
        for seed in (0, 1)
    )
    assert first != second
    assert len(first) == len(second)


def test_choice_follows_the_documented_hash():
    # Anything else would silently move training data of old runs into the test set.
    order = sorted(
        (hashlib.sha256(f"7:a{index}".encode()).hexdigest(), f"a{index}") for index in range(40)
    )
    names = [name for _, name in order]
    found = {item.name: item.split for item in _assign(_utterances(), seed=7)}
    assert {name for name in names if found[name] == "test"} == set(names[:4])
    assert {name for name in names if found[name] == "validation"} == set(names[4:6])


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, {"train": 1}),  # training comes first
        (2, {"train": 1, "test": 1}),
        (3, {"train": 1, "test": 1, "validation": 1}),
        (9, {"train": 7, "test": 1, "validation": 1}),  # 0.05 * 9 rounds to nothing
    ],
)
def test_wanted_sets_are_not_empty_where_possible(count, expected):
    assert _sizes(_assign(_utterances(each=count), test=0.05)) == expected


@pytest.mark.parametrize(("validation", "test"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5)])
def test_a_fraction_of_zero_holds_back_nothing(validation, test):
    sizes = _sizes(_assign(_utterances(), validation=validation, test=test))
    expected = {"train": 40, "validation": 20 * (validation > 0), "test": 20 * (test > 0)}
    expected["train"] -= expected["validation"] + expected["test"]
    # Python 3.9 tells a count of 0 from none.
    assert sizes == +Counter(expected)


def test_decided_utterances_stay():
    decided = [Utterance("/x/0", f"d{index}", "a", "validation") for index in range(5)]
    found = _assign([*decided, *_utterances()], validation=0.0)
    assert [item for item in found if item.name.startswith("d")] == decided


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0.1), (0.1, -0.1), (0.5, 0.5), (1.0, 0)])
def test_fractions_out_of_range_are_named(validation, test):
    with pytest.raises(ValueError, match="Received: validation"):
        _assign(_utterances(), validation=validation, test=test)
