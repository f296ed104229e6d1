"""Text to codes and back: normalization, vocabulary, what is unknown, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tfwavenet import text
from tfwavenet.audio import recipes
from tfwavenet.text import REPLACEMENT, TextRecipe

RECIPE = TextRecipe(classes=16, characters="ab\n é😀€")


@pytest.mark.parametrize(
    ("given", "back"),
    [
        ("a b", "a b"),
        ("", ""),
        ("a\r\nb\rb\n", "a\nb\nb\n"),
        ("e\N{COMBINING ACUTE ACCENT}a", "éa"),
        ("😀€é", "😀€é"),
        ("axb", f"a{REPLACEMENT}b"),
        # One emoji of several characters, of which the network knows the first.
        ("😀\N{ZERO WIDTH JOINER}", f"😀{REPLACEMENT}"),
        (REPLACEMENT, REPLACEMENT),
    ],
)
def test_round_trip(given, back):
    codes = RECIPE.encode(given)
    assert codes.dtype == np.int32
    assert codes.shape == (len(back),)
    assert RECIPE.decode(codes) == back


def test_codes_follow_the_vocabulary():
    np.testing.assert_array_equal(RECIPE.encode("ab\n é😀€?"), [1, 2, 3, 4, 5, 6, 7, 0])
    assert RECIPE.decode([0, 1, 7, 8, 15, -1, 99]) == f"{REPLACEMENT}a€{REPLACEMENT * 4}"


def test_every_code_decodes_to_valid_unicode():
    decoded = RECIPE.decode(np.arange(16))
    assert decoded.encode("utf-8").decode("utf-8") == decoded


def test_the_most_frequent_characters_are_the_vocabulary():
    counts = {"z": 5, "b": 2, "a": 2, "😀": 2, "c": 1, REPLACEMENT: 100}
    assert TextRecipe(classes=5).with_counts(counts).characters == "zab😀"
    assert TextRecipe(classes=256).with_counts(counts).characters == "zab😀c"
    shuffled = dict(reversed(counts.items()))
    assert TextRecipe(classes=5).with_counts(shuffled).characters == "zab😀"


def test_what_is_drawn_are_the_known_characters():
    expected = [1 <= code <= 7 for code in range(16)]
    np.testing.assert_array_equal(RECIPE.is_drawn(), expected)


def test_an_unknown_character_is_one_of_the_others():
    others = 17 * 2**16 - 2**11 - len(RECIPE.characters)
    assert text.spelled_out_bits(RECIPE) == pytest.approx(math.log2(others))


def test_configuration_and_fingerprint():
    assert recipes.of_any_kind(RECIPE.get_config()) == RECIPE
    assert recipes.of_any_kind("text") == TextRecipe()
    assert recipes.of_any_kind({"base": "text", "classes": 99}) == TextRecipe(classes=99)
    prints = {one.fingerprint() for one in (RECIPE, TextRecipe(), TextRecipe(classes=16))}
    assert len(prints) == 3


def test_a_text_recipe_is_no_feature_recipe():
    with pytest.raises(ValueError, match="a feature recipe is expected.*Received: a text recipe"):
        recipes.get("text")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": 1}, "classes must be an integer from 2 to 32768. Received: classes=1"),
        ({"classes": 2.5}, "Received: classes=2.5"),
        ({"classes": 2**15 + 1}, "Received: classes=32769"),
        ({"classes": 3, "characters": "abc"}, "a string of 1 to 2. Received: characters='abc'"),
        ({"characters": ""}, "a string of 1 to 255"),
        ({"characters": "aba"}, "must differ"),
        ({"characters": "a\ud800"}, "valid Unicode and not U\\+FFFD"),
        ({"characters": f"a{REPLACEMENT}"}, "valid Unicode and not U\\+FFFD"),
        ({"character": "a"}, r"did you mean 'characters'\?\). Received: character='a'"),
    ],
)
def test_fields_out_of_range_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        TextRecipe.from_config(fields)


@pytest.mark.parametrize("use", [lambda r: r.encode("a"), lambda r: r.decode([1])])
def test_without_a_vocabulary_nothing_is_encoded(use):
    with pytest.raises(ValueError, match="expected to have a vocabulary"):
        use(TextRecipe())


def test_codes_of_another_rank_are_refused():
    with pytest.raises(ValueError, match=r"shape \[characters\]. Received: shape=\(1, 2\)"):
        RECIPE.decode([[1, 2]])
