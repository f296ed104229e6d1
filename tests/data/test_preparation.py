"""From a folder of recordings, good and bad, to prepared data, a report, or one clear sentence."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import shutil
import threading

import ml_collections
import numpy as np
import pytest
import soundfile

from tests.support.full_disk import file_size_limit
from tests.support.prepare_kills import content
from tests.support.recordings import RECIPE, noise, write_corpus
from tfwavenet.audio import audio_files, recipes
from tfwavenet.data import corpora, progress, workers
from tfwavenet.data import preparation as module
from tfwavenet.data.pipeline import Records
from tfwavenet.data.preparation import prepare, prepare_from_config

HOP = RECIPE.hop_samples


def _prepare(folder, **options):
    options = {"root": folder / "corpus", "recipe": RECIPE, "num_workers": 0, **options}
    return prepare("folder", output_dir=folder / "data", **options)


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus", each=6)


def test_bundled_speech_from_end_to_end(tmp_path):
    metadata = prepare("bundled", output_dir=tmp_path, recipe="speech_8k")
    records = Records(tmp_path)
    assert metadata == records.metadata
    assert records.speakers == ("amber", "callum", "dawson")
    assert {split: records.count(split) for split in metadata["splits"]} == {
        "train": 15,
        "validation": 3,
        "test": 6,
    }
    assert metadata["source_sample_rates"] == {"16000": 24}
    assert metadata["skipped_files"] == 0
    for split, summary in metadata["splits"].items():
        samples = sum(len(item.signal) for item in records.utterances(split))
        assert summary["frames"] * records.recipe.hop_samples == samples
        assert summary["seconds"] == pytest.approx(samples / 8000, abs=1e-3)
    seconds = sum(summary["seconds"] for summary in metadata["splits"].values())
    assert sum(metadata["seconds_by_speaker"].values()) == pytest.approx(seconds, abs=0.01)
    assert all(item.text for item in records.utterances("test"))


def test_files_of_prepared_data(tmp_path, corpus):
    _prepare(tmp_path)
    shards = {f"{split}-00000.tfrecord" for split in ("train", "validation", "test")}
    indices = {f"index-{split}.json" for split in ("train", "validation", "test")}
    others = {"metadata.json", "skipped.json", "prepare.lock"}
    assert set(os.listdir(tmp_path / "data")) == shards | indices | others


def test_recordings_are_dealt_to_shards_by_number_and_by_size(tmp_path, corpus, monkeypatch):
    options = {"validation": 0.0, "test": 0.0}
    monkeypatch.setattr(module, "_SHARD_FILES", 5)
    _prepare(tmp_path, **options)
    by_number = [item.name for item in Records(tmp_path / "data").utterances("train")]
    shards = json.loads((tmp_path / "data" / "index-train.json").read_text())["shard"]
    assert shards == [0] * 5 + [1] * 5 + [2] * 2
    shutil.rmtree(tmp_path / "data")
    size = os.path.getsize(corpus / "ann" / "00.wav")
    monkeypatch.setattr(module, "_SHARD_SOURCE_BYTES", 2 * size)
    _prepare(tmp_path, **options)
    index = json.loads((tmp_path / "data" / "index-train.json").read_text())
    assert index["shard"] == [number // 2 for number in range(12)]
    assert index["name"] == by_number


def test_long_recordings_are_cut(tmp_path, corpus):
    seconds = 3 * HOP / 8000
    _prepare(tmp_path, max_seconds=seconds, validation=0.0, test=0.0)
    records = Records(tmp_path / "data")
    assert {len(item.mel) for item in records.utterances("train")} <= {2, 3}
    assert records.utterance("train", 0).name == "ann/00-000"
    frames = sum(len(item.mel) for item in records.utterances("train"))
    assert frames == sum(RECIPE.frame_count(400 + index) for index in range(6)) * 2


def test_statistics_are_fitted_on_the_training_set(tmp_path, corpus):
    (corpus / "ann" / "empty.wav").touch()
    recipe = dataclasses.replace(RECIPE, normalization="standard")
    _prepare(tmp_path, recipe=recipe)
    records = Records(tmp_path / "data")
    paths = [corpus / f"{item.name}.wav" for item in records.utterances("train")]
    mels = [recipe.compressed_mel(audio_files.read(path)[0]).numpy() for path in paths]
    frames = np.concatenate(mels).astype(np.float64)
    np.testing.assert_allclose(records.recipe.mean, frames.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(records.recipe.std, frames.std(axis=0), rtol=1e-9)
    mels = np.concatenate([item.mel for item in records.utterances("train")])
    np.testing.assert_allclose(mels.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(mels.std(axis=0), 1.0, atol=1e-4)


def test_given_statistics_are_kept(tmp_path, corpus):
    recipe = RECIPE.with_statistics([1.0] * RECIPE.n_mels, [2.0] * RECIPE.n_mels)
    _prepare(tmp_path, recipe=recipe)
    assert Records(tmp_path / "data").recipe == recipe


def _spoil(folder):
    """Adds one file of every bad kind to a corpus; returns a word of each expected reason."""
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("not audio at all")
    (folder / "notes.txt").write_text("by its extension")
    audio_files.write(folder / "zero.wav", np.zeros(0, np.float32), 8000)
    audio_files.write(folder / "silent.wav", np.zeros(800, np.float32), 8000)
    audio_files.write(folder / "short.wav", noise(HOP - 1), 8000)
    audio_files.write(folder / "cut.wav", noise(800), 8000)
    (folder / "cut.wav").write_bytes((folder / "cut.wav").read_bytes()[:-50])
    bad = noise(800)
    bad[3] = np.nan
    soundfile.write(folder / "nan.wav", bad, 8000, subtype="FLOAT")
    (folder / "gone.wav").symlink_to(folder / "nowhere.wav")
    return {
        "empty.wav": "0 bytes",
        "text.wav": "do not decode",
        "notes.txt": "extension",
        "zero.wav": "samples=0",
        "silent.wav": "silent",
        "short.wav": "too short",
        "cut.wav": "truncated",
        "nan.wav": "NaN",
        "gone.wav": "no such file: a link to",
    }


def test_bad_files_are_reported_and_the_rest_is_used(tmp_path, corpus):
    good = _prepare(tmp_path, validation=0.0, test=0.0)
    shutil.rmtree(tmp_path / "data")
    reasons = _spoil(corpus / "ann")
    audio_files.write(corpus / "ann" / "stereo.wav", noise(800).reshape(-1, 2), 8000)
    audio_files.write(corpus / "ann" / "rate.wav", noise(800), 16000)
    metadata = _prepare(tmp_path, validation=0.0, test=0.0)
    report = json.loads((tmp_path / "data" / "skipped.json").read_text())
    found = {os.path.basename(item["file"]): item["reason"] for item in report}
    assert set(found) == set(reasons)
    for name, reason in reasons.items():
        assert reason in found[name]
    assert metadata["skipped_files"] == len(reasons)
    train = metadata["splits"]["train"]
    assert train["records"] == good["splits"]["train"]["records"] + 2
    assert metadata["source_sample_rates"] == {"8000": 13, "16000": 1}


def test_a_speaker_whose_files_are_all_bad_keeps_its_number(tmp_path, corpus):
    for path in (corpus / "ann").iterdir():
        path.write_bytes(b"")
    metadata = _prepare(tmp_path, validation=0.0, test=0.0)
    assert metadata["speakers"] == ["ann", "bob"]
    assert metadata["seconds_by_speaker"]["ann"] == 0.0
    assert {item.speaker for item in Records(tmp_path / "data").utterances("train")} == {1}


@pytest.mark.parametrize("normalization", ["range", "standard"])
@pytest.mark.parametrize("splits", [("train",), ("train", "validation", "test")])
def test_no_usable_training_file_is_an_error_that_can_be_mended(
    tmp_path, corpus, splits, normalization
):
    recipe = dataclasses.replace(RECIPE, normalization=normalization)
    listed = corpora.read_corpus("folder", root=corpus).utterances
    paths = [pathlib.Path(item.path) for item in listed if item.split in splits]
    saved = {path: path.read_bytes() for path in paths}
    for path in paths:
        path.write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"None of the 10 training files .* usable.*\.wav.*0 bytes"
    ):
        _prepare(tmp_path, recipe=recipe)
    assert os.listdir(tmp_path / "data") == ["prepare.lock"]
    for path, data in saved.items():
        path.write_bytes(data)
    assert _prepare(tmp_path, recipe=recipe)["skipped_files"] == 0


def _times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix != ".lock"}


def test_a_second_call_changes_nothing(tmp_path, corpus):
    first = _prepare(tmp_path)
    before = _times(tmp_path / "data")
    assert _prepare(tmp_path) == first
    assert _times(tmp_path / "data") == before


def test_the_corpus_may_be_removed_afterwards(tmp_path, corpus):
    first = _prepare(tmp_path)
    shutil.rmtree(corpus)
    assert _prepare(tmp_path) == first
    with pytest.raises(ValueError, match=r"max_seconds=1.0, there 20.0"):
        _prepare(tmp_path, max_seconds=1.0)


@pytest.mark.parametrize(
    "change",
    [
        ({"recipe": recipes.get("speech_8k")}, r"recipe\.n_fft=512, there 128"),
        ({"max_seconds": 3.0}, "max_seconds=3.0, there 20.0"),
        ({"with_mel": False}, "with_mel=False, there True"),
        ({"seed": 1}, "seed=1, there 0"),
        ({"test": 0.2}, "test=0.2, there 0.05"),
    ],
)
@pytest.mark.parametrize("stop_after", [None, 1])
def test_other_settings_in_the_same_folder_lose_nothing(tmp_path, corpus, stop_after, change):
    change, message = change
    if stop_after is None:
        _prepare(tmp_path)
    else:
        with pytest.MonkeyPatch.context() as patch:
            _interrupt(tmp_path, patch, after=stop_after)
    before = content(tmp_path / "data")
    with pytest.raises(ValueError, match=f"other settings.*{message}"):
        _prepare(tmp_path, **change)
    assert content(tmp_path / "data") == before


@pytest.mark.parametrize("stop_after", [None, 1])
def test_data_of_the_first_version_are_gone_on_with(tmp_path, corpus, stop_after):
    options = {"recipe": dataclasses.replace(RECIPE, framing="center")}
    if stop_after is None:
        _prepare(tmp_path, **options)
    else:
        with pytest.MonkeyPatch.context() as patch:
            _interrupt(tmp_path, patch, after=stop_after, **options)
    for path in (tmp_path / "data").rglob("*.json"):
        text = path.read_text().replace('"center"', '"centre"')
        path.write_text(re.sub(r',\s*"checksum": "\w{64}"', "", text))
    _prepare(tmp_path, **options)
    assert Records(tmp_path / "data").recipe == options["recipe"]


def test_a_workdir_within_the_corpus_is_refused(tmp_path, corpus):
    with pytest.raises(ValueError, match="output_dir must not lie in root"):
        _prepare(tmp_path, root=tmp_path)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("stop_after", [None, 1])
def test_a_corpus_that_was_moved_is_the_same(tmp_path, corpus, stop_after):
    if stop_after is None:
        _prepare(tmp_path)
    else:
        with pytest.MonkeyPatch.context() as patch:
            _interrupt(tmp_path, patch, after=stop_after)
    os.rename(corpus, tmp_path / "moved")
    moved = _prepare(tmp_path, root=tmp_path / "moved")
    assert moved["splits"]["train"]["records"] > 0
    os.rename(tmp_path / "moved", corpus)


def test_names_of_files_that_are_no_utf8(tmp_path):
    (tmp_path / "corpus").mkdir()
    name = os.fsencode(tmp_path / "corpus") + b"/\xff\xfe"
    for index in range(3):
        audio_files.write(os.fsdecode(name + b"%d.wav" % index), noise(400, seed=index), 8000)
    with open(name + b".txt", "wb") as file:
        file.write(b"no audio")
    _prepare(tmp_path)
    assert len(list(Records(tmp_path / "data").utterances("train"))) > 0


@pytest.mark.parametrize("content", ["[]", '{"format": 1}'])
def test_damaged_metadata_are_named(tmp_path, corpus, content):
    _prepare(tmp_path)
    (tmp_path / "data" / "metadata.json").write_text(content)
    with pytest.raises(ValueError, match="metadata.json' ?.*is damaged"):
        _prepare(tmp_path)


def test_another_corpus_in_the_same_folder_is_an_error(tmp_path, corpus):
    _prepare(tmp_path)
    with pytest.raises(ValueError, match="corpus='bundled', there 'folder'"):
        prepare("bundled", output_dir=tmp_path / "data", recipe=RECIPE)


@pytest.mark.parametrize("change", ["added", "removed", "resized"])
def test_a_corpus_that_changed_is_an_error(tmp_path, corpus, change):
    _prepare(tmp_path)
    if change == "removed":
        (corpus / "ann" / "00.wav").unlink()
    else:
        name = "new.wav" if change == "added" else "00.wav"
        audio_files.write(corpus / "ann" / name, noise(900), 8000)
    with pytest.raises(ValueError, match=r"files='1[123] files, \w+', there '12 files, \w+'"):
        _prepare(tmp_path)


def test_a_folder_with_something_else_is_left_alone(tmp_path, corpus):
    before = content(corpus)
    with pytest.raises(ValueError, match="must be empty or hold an earlier run.*found ann, bob"):
        prepare("folder", root=corpus, output_dir=corpus, recipe=RECIPE)
    after = content(corpus)
    after.pop(progress._LOCK)
    assert after == before


def _interrupt(tmp_path, monkeypatch, *, after, **options):
    """Stops a preparation with one file per shard after some shards."""
    calls = _count_shards(monkeypatch, stop_after=after)
    with pytest.raises(KeyboardInterrupt):
        _prepare(tmp_path, **options)
    return calls


def _count_shards(monkeypatch, *, stop_after=None):
    monkeypatch.setattr(module, "_SHARD_FILES", 1)
    calls = []
    original = workers._on_cpu

    def counted(work, shard, folder):
        if len(calls) == stop_after:
            raise KeyboardInterrupt
        calls.append(shard.name)
        return original(work, shard, folder)

    monkeypatch.setattr(workers, "_on_cpu", counted)
    return calls


def test_an_interrupted_run_does_only_what_is_missing(tmp_path, corpus, monkeypatch):
    with monkeypatch.context() as patch:
        first = _interrupt(tmp_path, patch, after=4)
    with pytest.raises(ValueError, match="an unfinished preparation"):
        Records(tmp_path / "data")
    with monkeypatch.context() as patch:
        second = _count_shards(patch)
        _prepare(tmp_path)
    assert len(first) == 4 and len(second) == 8
    assert not set(first) & set(second)


def test_a_finished_shard_that_vanished_is_made_again(tmp_path, corpus, monkeypatch):
    with monkeypatch.context() as patch:
        first = _interrupt(tmp_path, patch, after=4)
    (tmp_path / "data" / f"{first[1]}.tfrecord").unlink()
    with monkeypatch.context() as patch:
        assert first[1] in _count_shards_of_rest(patch, tmp_path)
    assert sum(Records(tmp_path / "data").count(s) for s in ("train", "validation", "test")) == 12


def _count_shards_of_rest(monkeypatch, tmp_path):
    calls = _count_shards(monkeypatch)
    _prepare(tmp_path)
    return calls


@pytest.mark.parametrize("limit", [300, 1500, 5000])
def test_full_disk_is_named_and_can_be_mended(tmp_path, corpus, limit):
    def fill():
        with file_size_limit(limit):
            _prepare(tmp_path)

    with pytest.raises(OSError, match="nothing was changed") as caught:
        fill()
    assert str(tmp_path / "data") in caught.value.filename
    data = tmp_path / "data"
    assert not (data / "metadata.json").exists()
    assert not list(data.rglob("*.tmp-*"))
    _prepare(tmp_path)
    prepare("folder", root=corpus, output_dir=tmp_path / "b", recipe=RECIPE, num_workers=0)
    assert content(data) == content(tmp_path / "b")


def test_a_second_process_waits_for_the_first(tmp_path):
    entered = threading.Event()

    def enter():
        with progress.exclusive(tmp_path):
            entered.set()

    thread = threading.Thread(target=enter)
    with progress.exclusive(tmp_path):
        thread.start()
        assert not entered.wait(0.2)
    thread.join(10.0)
    assert entered.is_set()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_seconds": 0.0}, "Received: max_seconds=0.0"),
        ({"max_seconds": float("nan")}, "Received: max_seconds=nan"),
        ({"num_workers": -1}, "Received: num_workers=-1"),
        ({"recipe": "speach_8k"}, "Received: recipe='speach_8k'"),
        ({"validation": 0.7, "test": 0.7}, "Received: validation=0.7, test=0.7"),
        ({"root": None}, "needs the folder"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_written(tmp_path, corpus, options, message):
    with pytest.raises(ValueError, match=message):
        _prepare(tmp_path, **options)
    assert not (tmp_path / "data").exists() or os.listdir(tmp_path / "data") == ["prepare.lock"]


def test_a_lower_sample_rate_is_warned_about(tmp_path, caplog):
    write_corpus(tmp_path / "corpus", sample_rate=4000)
    with caplog.at_level("WARNING"):
        _prepare(tmp_path)
    assert "12 files have 4000 Hz, the recipe 8000 Hz" in caplog.text


class TestFromConfig:
    def _config(self, **data):
        return ml_collections.ConfigDict({"recipe": RECIPE.get_config(), "data": data})

    def test_data_go_to_the_workdir(self, tmp_path, corpus):
        config = self._config(
            corpus="folder", root=str(corpus), max_seconds=5.0, split_seed=3, records=None
        )
        directory = prepare_from_config(config, tmp_path / "run")
        assert directory == str(tmp_path / "run" / "data")
        settings = Records(directory).metadata["settings"]
        assert (settings["max_seconds"], settings["seed"], settings["test"]) == (5.0, 3, 0.05)
        assert settings["recipe"] == RECIPE.get_config()

    def test_records_prepared_elsewhere_are_taken(self, tmp_path):
        config = self._config(corpus="folder", records=str(tmp_path / "elsewhere"))
        assert prepare_from_config(config, tmp_path) == str(tmp_path / "elsewhere")
        assert os.listdir(tmp_path) == []


def test_shards_that_vanish_from_finished_data_are_missed(tmp_path, corpus):
    _prepare(tmp_path)
    (tmp_path / "data" / "train-00000.tfrecord").unlink()
    with pytest.raises(ValueError, match=r"must be whole, with \d+ bytes of train-00000.tfrecord"):
        _prepare(tmp_path)


def test_data_whose_shards_vanish_meanwhile_are_not_finished(tmp_path, corpus, monkeypatch):
    written = workers.WriteShard.__call__

    def write_and_lose(task, shard, folder):
        result = written(task, shard, folder)
        (folder / shard.file_name).unlink()
        return result

    with monkeypatch.context() as patch:
        patch.setattr(workers.WriteShard, "__call__", write_and_lose)
        with pytest.raises(ValueError, match="Prepared data must be whole"):
            _prepare(tmp_path)
    assert not (tmp_path / "data" / "metadata.json").exists()
    _prepare(tmp_path)
    assert Records(tmp_path / "data").count("train") > 0


@pytest.mark.parametrize("digit", [b"1", b"0", b"2"])
def test_a_changed_digit_of_an_index_is_found(tmp_path, corpus, digit):
    _prepare(tmp_path)
    path = tmp_path / "data" / "index-train.json"
    before = path.read_bytes()
    at = before.rindex(digit)
    path.write_bytes(before[:at] + b"7" + before[at + 1 :])
    with pytest.raises(ValueError, match=r"The index .*index-train.json' was changed after"):
        Records(tmp_path / "data")


def test_data_of_earlier_versions_have_no_checksums(tmp_path, corpus):
    _prepare(tmp_path)
    path = tmp_path / "data" / "metadata.json"
    metadata = json.loads(path.read_text())
    for split in metadata["splits"].values():
        del split["index_checksum"]
    del metadata["checksum"]
    path.write_text(json.dumps(metadata))
    assert Records(tmp_path / "data").count("train") > 0


def test_a_recording_that_does_not_fit_into_memory_is_skipped(tmp_path, corpus, monkeypatch):
    read = audio_files.read
    lost = sorted(corpus.rglob("*.wav"))[0]

    def read_or_fail(path, **options):
        if os.fspath(path) == os.fspath(lost):
            raise MemoryError
        return read(path, **options)

    monkeypatch.setattr(audio_files, "read", read_or_fail)
    assert _prepare(tmp_path)["skipped_files"] == 1
    skipped = json.loads((tmp_path / "data" / "skipped.json").read_text())
    assert "does not fit into memory" in skipped[0]["reason"]
