"""Sets that a corpus comes with are used as they are, from its folders or from a list."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tfwavenet.data import corpora
from tfwavenet.data.given_splits import split_of


def _touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def _sets(root, corpus="folder", **arguments):
    found = corpora.read_corpus(corpus, root=root, **arguments).utterances
    return {item.name: (item.speaker, item.split) for item in found}


@pytest.mark.parametrize(
    ("word", "split"),
    [
        *((word, "train") for word in ("train", "Training", "train-clean-100", "train_1")),
        *((word, "validation") for word in ("valid", "val", "VALIDATION", "dev", "dev-other")),
        *((word, "test") for word in ("test", "testing", "eval", "test-clean")),
        *((word, None) for word in ("trains", "valerie", "devon", "tests", "evan", "", "contest")),
    ],
)
def test_words_for_sets(word, split):
    assert split_of(word) == split


class TestFolders:
    @pytest.mark.parametrize("held_out", [("valid", "test"), ("dev", "eval"), ("Val", "TEST")])
    def test_given_sets_are_kept(self, tmp_path, held_out):
        root = _touch(
            tmp_path / "mine",
            *(f"{name}/{number}.wav" for name in ("train", *held_out) for number in range(20)),
        )
        found = Counter(_sets(root, validation=0.5, test=0.4).values())
        assert found == {("mine", split): 20 for split in ("train", "validation", "test")}

    def test_the_speaker_is_the_next_folder(self, tmp_path):
        _touch(tmp_path, "train/ann/1.wav", "train/bob/x/1.wav", "valid/ann/2.wav", "test/cy/3.wav")
        assert _sets(tmp_path) == {
            "test/cy/3": ("cy", "test"),
            "train/ann/1": ("ann", "train"),
            "train/bob/x/1": ("bob", "train"),
            "valid/ann/2": ("ann", "validation"),
        }

    def test_sets_may_lie_in_the_folders_of_speakers(self, tmp_path):
        _touch(tmp_path, "ann/train/1.wav", "ann/test/2.wav", "bob/train/1.wav", "bob/valid/3.wav")
        assert _sets(tmp_path) == {
            "ann/test/2": ("ann", "test"),
            "ann/train/1": ("ann", "train"),
            "bob/train/1": ("bob", "train"),
            "bob/valid/3": ("bob", "validation"),
        }

    def test_a_missing_set_is_dealt_from_the_training_set(self, tmp_path):
        _touch(tmp_path, *(f"{split}/{n}.wav" for split in ("train", "test") for n in range(20)))
        found = _sets(tmp_path, validation=0.25, test=0.25)
        assert Counter(split for _, split in found.values()) == {
            "train": 15,
            "validation": 5,
            "test": 20,
        }
        assert all(split == "test" for name, (_, split) in found.items() if name[:4] == "test")

    def test_libritts_in_a_folder_has_its_speakers(self, tmp_path):
        _touch(
            tmp_path, *(f"train-clean-100/{who}/1/{who}_{n}.wav" for who in (103, 7) for n in "ab")
        )
        assert {speaker for speaker, _ in _sets(tmp_path).values()} == {"103", "7"}

    def test_sounds_of_trains_are_a_class(self, tmp_path):
        _touch(tmp_path, "train/1.wav", "dog/1.wav", "rain/1.wav")
        assert {speaker for speaker, _ in _sets(tmp_path).values()} == {"dog", "rain", "train"}

    def test_a_speaker_beside_the_sets_is_for_training(self, tmp_path):
        _touch(tmp_path, "train/1.wav", "test/1.wav", "ann/1.wav")
        assert _sets(tmp_path, validation=0)["ann/1"] == ("ann", "train")

    def test_texts_by_their_names(self, tmp_path):
        _touch(tmp_path, "wiki.train.txt", "wiki.valid.txt", "wiki.test.txt")
        assert {name: split for name, (_, split) in _sets(tmp_path, "text").items()} == {
            "wiki.test": "test",
            "wiki.train": "train",
            "wiki.valid": "validation",
        }


class TestList:
    @pytest.fixture
    def corpus(self, tmp_path):
        return _touch(tmp_path / "corpus", *(f"ann/{number}.wav" for number in range(4)))

    def read(self, corpus, content, **arguments):
        path = corpus.parent / "splits"
        path.write_text(content, "utf-8")
        found = _sets(corpus, split_list=path, **arguments)
        return {name: split for name, (_, split) in found.items()}

    @pytest.mark.parametrize(
        "content",
        [
            "ann/0,train\nann/1,dev\nann/2,test\n",
            "name\tsplit\nann/0\ttrain\n\nann/1.wav\tvalidation\nann/2\ttest",
            "ann/0.wav|train\r\nann/1.wav|valid\r\nann/2.wav|eval\r\nann/2|test\r\n",
            json.dumps({"train": ["ann/0"], "val": ["ann/1.wav"], "test": ["ann/2"]}),
        ],
    )
    def test_forms_of_a_list(self, corpus, content):
        expected = {"ann/0": "train", "ann/1": "validation", "ann/2": "test"}
        assert self.read(corpus, content) == expected

    def test_what_a_training_list_does_not_name_is_passed_over(self, corpus):
        path = corpus.parent / "splits"
        path.write_text("ann/0,train\nann/1,test\n")
        ignored = corpora.read_corpus("folder", root=corpus, split_list=path).ignored
        assert ignored == {
            str(corpus / f"ann/{number}.wav"): "not in the list of splits" for number in (2, 3)
        }

    def test_without_a_training_list_all_others_are_for_training(self, corpus):
        found = self.read(corpus, "ann/3,test", validation=0.0)
        assert found == {f"ann/{n}": "test" if n == 3 else "train" for n in range(4)}

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "must name a recording"),
            ("ann/0", r"lines of 'name,set'.*line='ann/0'"),
            ("ann/0,train,1", "lines of 'name,set'"),
            ("ann/0,tain", "'tain' for 'ann/0'"),
            ("ann/0,train\nann/0,test", "'ann/0' in two"),
            ("ann/0,train\nann/0.wav,test", "'ann/0' in two"),
            ("bob/0,train\nbob/1,test", r"such as 'ann/0', 'ann/1'.*'bob/0' and 1 further"),
            ('{"train": "ann/0"}', "must map every set to a list"),
            ('{"train": [0]}', "must map every set to a list"),
            ('{"train": ', "must be JSON"),
        ],
    )
    def test_another_form_is_refused(self, corpus, content, message):
        with pytest.raises(ValueError, match=message):
            self.read(corpus, content)
