"""Evaluation of a network over text against NumPy's cross-entropy."""

from __future__ import annotations

import bz2
import json
import math

import numpy as np
import pytest

from tests.support.clips import FakeClip
from tests.support.texts import text_network
from tfwavenet import evaluate
from tfwavenet.evaluation.report import summary_lines

TEXTS = ("a first held-out text?" * 9, "b" * 40, "and <b>another</b> one\n" * 3)


@pytest.fixture(scope="module")
def model():
    return text_network()


@pytest.fixture(scope="module")
def report(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    clips = [FakeClip(f"text {i}", model.recipe.encode(text)) for i, text in enumerate(TEXTS)]
    found = evaluate(model, clips, output_dir=folder, seed=3, temperature=0.7, title="Texts")
    assert json.loads((folder / "report.json").read_text("utf-8")) == found
    return {**found, "page": (folder / "index.html").read_text("utf-8")}


def cross_entropy(model, text):
    """Bits of the codes of a text, by softmax in NumPy, all of it in one pass."""
    codes = model.recipe.encode(text)
    past = np.append(0, codes[:-1])[np.newaxis].astype(np.int32)
    logits = model({"audio": past}).numpy()[0].astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -logs[np.arange(len(codes)), codes].sum() / math.log(2)


def test_bits_per_character_are_the_cross_entropy(model, report):
    characters = sum(map(len, TEXTS))
    bits = sum(cross_entropy(model, text) for text in TEXTS)
    measured = report["text"]
    assert measured["characters"] == characters
    assert measured["codes_only"] == pytest.approx(bits / characters, rel=1e-5)
    assert report["loss"]["bits_per_sample"] == pytest.approx(bits / characters, rel=1e-5)


def test_unknown_characters_count_with_what_they_are(model, report):
    unknown = sum(character not in model.recipe.characters for text in TEXTS for character in text)
    measured = report["text"]
    assert measured["unknown_characters"] == unknown > 0
    assert measured["unknown_share"] == pytest.approx(unknown / measured["characters"])
    more = unknown * math.log2(17 * 2**16 - 2**11 - len(model.recipe.characters))
    expected = measured["codes_only"] + more / measured["characters"]
    assert measured["bits_per_character"] == pytest.approx(expected)
    assert measured["ci95"] > 0


def test_the_comparison_is_a_compressor(model, report):
    known = [model.recipe.decode(model.recipe.encode(text)) for text in TEXTS]
    size = len(bz2.compress("".join(known).encode("utf-8")))
    assert report["text"]["bz2"] == pytest.approx(8 * size / report["text"]["characters"])


def test_texts_are_continued(model, report):
    rows = report["continuations"]
    assert [row["name"] for row in rows] == ["text 0", "text 1", "text 2"]
    for index, (row, text) in enumerate(zip(rows, TEXTS)):
        known = model.recipe.decode(model.recipe.encode(text))
        assert known.startswith(row["given"] + row["held_out"])
        assert row["generated"] == model.generate_text(
            row["given"], num_characters=400, seed=3 + index, temperature=0.7
        )
    assert len(rows[0]["given"]) == len(TEXTS[0]) // 2


def test_the_page_shows_numbers_and_texts(report):
    page = report["page"]
    assert f"3 held-out texts, {report['text']['characters']} characters" in page
    assert f"{report['text']['bits_per_character']:.2f}" in page
    assert "<b>another" not in page
    assert "<audio" not in page


def test_the_terminal_gets_one_line(report):
    (line,) = summary_lines(report)
    assert line.startswith(f"{report['text']['bits_per_character']:.4f} ± ")
    assert f"of {report['text']['characters']} characters are unknown" in line
