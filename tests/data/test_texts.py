"""From text files, good and bad, to records and batches of codes, or to one clear sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.support.texts import numbered_text
from tfwavenet.data import corpora
from tfwavenet.data.pipeline import Records
from tfwavenet.data.preparation import prepare
from tfwavenet.data.splits import Utterance
from tfwavenet.data.text_analysis import TextAnalysis
from tfwavenet.text import TextRecipe

TEXT = numbered_text()


def _write(folder, **contents):
    """Writes files by name; a double underscore stands for the dot."""
    for name, content in contents.items():
        path = folder / name.replace("__", ".").replace("--", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return folder


def _prepare(folder, root=None, **options):
    options = {"recipe": "text", "num_workers": 0, **options}
    return prepare("text", output_dir=folder / "data", root=root or folder / "corpus", **options)


def _skipped(folder):
    rows = json.loads((folder / "data" / "skipped.json").read_text("utf-8"))
    return {row["file"].rsplit("/", 1)[-1]: row["reason"] for row in rows}


def test_one_file_is_split_into_stretches(tmp_path):
    path = _write(tmp_path, book__xyz=TEXT) / "book.xyz"
    metadata = _prepare(tmp_path, path, validation=0.1, test=0.2)
    records = Records(tmp_path / "data")
    stretches = {
        split: "".join(records.recipe.decode(item.signal) for item in records.utterances(split))
        for split in ("train", "validation", "test")
    }
    assert "".join(stretches.values()) == TEXT
    edges = [round(0.7 * len(TEXT)), round(0.8 * len(TEXT))]
    assert len(stretches["train"]) == edges[0]
    assert len(stretches["train"] + stretches["validation"]) == edges[1]
    assert {name: item["characters"] for name, item in metadata["splits"].items()} == {
        name: len(text) for name, text in stretches.items()
    }
    assert records.speakers == ("text",)
    assert records.n_mels is None


def test_the_vocabulary_is_that_of_the_training_text(tmp_path):
    path = _write(tmp_path, book__txt="b" * 50 + "ac" * 20 + "Z" * 10) / "book.txt"
    _prepare(tmp_path, path, validation=0, test=0.1)
    records = Records(tmp_path / "data")
    assert records.recipe.characters == "bac"
    np.testing.assert_array_equal(records.utterance("test", 0).signal, np.zeros(10))


def test_a_vocabulary_may_be_given(tmp_path):
    path = _write(tmp_path, book__txt="abcabc" * 10) / "book.txt"
    _prepare(tmp_path, path, recipe={"base": "text", "characters": "cb"})
    assert Records(tmp_path / "data").recipe.characters == "cb"


def test_batches_are_stretches_of_the_text(tmp_path):
    path = _write(tmp_path, book__txt=TEXT) / "book.txt"
    _prepare(tmp_path, path)
    records = Records(tmp_path / "data")
    training = TEXT[: round(0.9 * len(TEXT))]
    batch = next(iter(records.dataset("train", batch_size=4, crop_frames=60)))
    assert sorted(batch) == ["audio", "mask"]
    assert batch["audio"].dtype == "int32"
    for row in batch["audio"].numpy():
        stretch = records.recipe.decode(row)
        start = training.index(stretch)
        assert stretch == training[start : start + 60]
    seen = [
        records.recipe.decode(row[mask])
        for batch in records.evaluation_batches("train", batch_size=4, crop_frames=100)
        for row, mask in zip(batch["audio"].numpy(), batch["mask"].numpy())
    ]
    assert "".join(seen) == training


def test_long_texts_are_cut_into_nearly_equal_records(tmp_path):
    path = _write(tmp_path, book__txt=TEXT) / "book.txt"
    recipe = TextRecipe().with_counts(dict.fromkeys(TEXT, 1))
    analysis = TextAnalysis(recipe, max_characters=1000)
    found = analysis.records(Utterance(str(path), "book", "text"), 3)
    assert "".join(recipe.decode(record.signal) for record in found) == TEXT
    lengths = {len(record.signal) for record in found}
    assert max(lengths) <= 1000
    assert max(lengths) - min(lengths) <= 1
    assert [found[0].name, found[-1].name] == ["book-000", f"book-{len(found) - 1:03d}"]
    assert {record.speaker for record in found} == {3}


def test_a_folder_of_few_texts_gives_a_stretch_of_each(tmp_path):
    _write(tmp_path / "corpus", a__txt=TEXT, b__md=TEXT.upper(), LICENSE=TEXT[::-1])
    found = corpora.read_corpus("text", root=tmp_path / "corpus").utterances
    assert [item.name for item in found if item.split == "test"] == [
        "LICENSE.test",
        "a.test",
        "b.test",
    ]
    assert len(found) == 9


def test_a_folder_of_many_texts_is_split_by_file(tmp_path):
    for number in range(40):
        _write(tmp_path / "corpus", **{f"deep--{number}__rst": f"text {number} " * 20})
    metadata = _prepare(tmp_path)
    records = {name: item["records"] for name, item in metadata["splits"].items()}
    assert records == {"train": 36, "validation": 2, "test": 2}


def test_bad_files_are_reported(tmp_path):
    _write(
        tmp_path / "corpus",
        good__txt=TEXT,
        again__txt=TEXT.replace(" ", "\n"),
        empty__txt="",
        blank__md=" \r\n\t",
        binary__txt=b"ELF\0\1\2",
        latin__txt="Größe".encode("latin-1"),
        cut__txt="Größe €".encode()[:-1],
        picture__png=b"\x89PNG",
        bom__txt="\N{BYTE ORDER MARK}with a mark " + "x" * 80,
    )
    metadata = _prepare(tmp_path)
    skipped = _skipped(tmp_path)
    assert metadata["skipped_files"] == len(skipped) == 7
    expected = {
        "binary.txt": "to have no zero bytes. Received: one at position 3",
        "blank.md": "expected to hold text. Received: bytes=4",
        "cut.txt": "expected to be UTF-8. Received: byte 0xe2 at position 8",
        "empty.txt": "the same as",
        "latin.txt": "expected to be UTF-8. Received: byte 0xf6 at position 2",
        "picture.png": "not text by its name",
        "good.txt": "the same as",
    }
    assert set(skipped) == set(expected)
    for name, reason in expected.items():
        assert reason in skipped[name]
    texts = [item.signal for item in Records(tmp_path / "data").utterances("train")]
    decoded = [Records(tmp_path / "data").recipe.decode(codes) for codes in texts]
    assert any(text.startswith("with a mark") for text in decoded)


def test_without_a_name_of_a_text_all_files_of_a_folder_are_tried(tmp_path):
    names = {"song__abc": TEXT, "deep--main__py": TEXT.upper(), "cover__png": b"P\0NG"}
    _write(tmp_path / "corpus", **names)
    _prepare(tmp_path, validation=0, test=0)
    records = Records(tmp_path / "data")
    texts = [records.recipe.decode(item.signal) for item in records.utterances("train")]
    assert sorted("".join(texts)) == sorted(TEXT + TEXT.upper())
    assert list(_skipped(tmp_path)) == ["cover.png"]
    assert "to have no zero bytes" in _skipped(tmp_path)["cover.png"]


def test_a_folder_without_texts_is_one_sentence(tmp_path):
    (tmp_path / "corpus").mkdir()
    with pytest.raises(ValueError, match="have text files at any depth, found an empty folder"):
        _prepare(tmp_path)
    _write(tmp_path / "corpus", cover__png=b"P\0NG")
    with pytest.raises(ValueError, match="None of the 1 training files .*not text: .*cover.png"):
        _prepare(tmp_path, validation=0, test=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "None of the 1 training files .* usable.*empty: .* to hold text. Received: bytes=0"),
        (b"\n \n", "to hold text. Received: bytes=3"),
        (b"abc\0def", "to have no zero bytes. Received: one at position 3"),
        (b"\xff\xfea\0b\0", "expected to be UTF-8. Received: byte 0xff at position 0"),
        (b"\x80abc", "expected to be UTF-8. Received: byte 0x80 at position 0"),
    ],
    ids=["empty", "blank", "binary", "utf-16", "invalid"],
)
def test_a_file_that_is_no_text_is_one_sentence(tmp_path, content, message):
    path = _write(tmp_path, book__txt=content) / "book.txt"
    with pytest.raises(ValueError, match=message):
        _prepare(tmp_path, path)


def test_a_text_too_short_for_its_stretches_says_so(tmp_path):
    path = _write(tmp_path, book__txt="ab") / "book.txt"
    metadata = _prepare(tmp_path, path)
    assert metadata["splits"]["train"]["characters"] == 2
    assert "too short" in _skipped(tmp_path)["book.txt"]


@pytest.mark.parametrize(
    ("corpus", "recipe"), [("text", "speech_8k"), ("folder", "text"), ("bundled", "text")]
)
def test_recipe_and_corpus_must_fit(tmp_path, corpus, recipe):
    with pytest.raises(ValueError, match=f"prepared by a text recipe.*corpus='{corpus}'"):
        prepare(corpus, output_dir=tmp_path, recipe=recipe)


def test_preparing_again_is_done_at_once_and_another_vocabulary_is_refused(tmp_path):
    path = _write(tmp_path, book__txt=TEXT) / "book.txt"
    metadata = _prepare(tmp_path, path)
    assert _prepare(tmp_path, path) == metadata
    path.unlink()
    assert _prepare(tmp_path, path) == metadata
    with pytest.raises(ValueError, match="recipe.classes=100, there 256"):
        _prepare(tmp_path, path, recipe={"base": "text", "classes": 100})
