"""Damaged files of prepared data: the same records, or a sentence that names the file."""

from __future__ import annotations

import json
import pathlib
import shutil
from typing import Any

import pytest

from tests.support import damages
from tests.support.recordings import noise
from tfwavenet.audio import audio_files
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.data.pipeline import Records
from tfwavenet.data.preparation import prepare
from tfwavenet.data.splits import SPLITS

RECIPE = FeatureRecipe(
    sample_rate=8000, n_fft=256, win_samples=256, hop_samples=64, n_mels=8, normalization="standard"
)
FEW, MANY = 200, 4000


@pytest.fixture(scope="module", params=["audio", "text"])
def data(request, tmp_path_factory) -> pathlib.Path:
    """Prepared data of two speakers, or of a text."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "text":
        (folder / "corpus").mkdir()
        (folder / "corpus" / "a.txt").write_text("the quick brown fox jumps\n" * 40)
        options: dict[str, Any] = {"recipe": "text", "validation": 0.1, "test": 0.1}
        prepare("text", root=folder / "corpus", output_dir=folder / "data", **options)
        return folder / "data"
    for speaker in ("ann", "bob"):
        for number in range(4):
            path = folder / "corpus" / speaker / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            audio_files.write(path, noise(700 + 100 * number, seed=number), 8000)
    options = {"recipe": RECIPE, "validation": 0.2, "test": 0.2, "num_workers": 0}
    prepare("folder", root=folder / "corpus", output_dir=folder / "data", **options)
    return folder / "data"


def everything(folder: pathlib.Path) -> Any:
    """All that training takes from prepared data."""
    opened = Records(folder)
    rows = [utterance for split in SPLITS for utterance in opened.utterances(split)]
    arrays = [
        (row.signal.tobytes(), None if row.mel is None else row.mel.tobytes()) for row in rows
    ]
    told = [(row.name, row.speaker, row.text) for row in rows]
    return opened.recipe, opened.speakers, opened.n_mels, told, arrays


def assert_same_or_refused(data: pathlib.Path, name: str, contents: Any, folder: Any) -> None:
    """Puts each content into one file of a copy of the data, and reads the whole."""
    expected = everything(data)
    shutil.copytree(data, folder)
    refused = 0
    for content in contents:
        (folder / name).write_bytes(content)
        found = damages.result_or_refusal(lambda: everything(folder))
        refused += isinstance(found, damages.Refusal)
        assert isinstance(found, damages.Refusal) or found == expected, content
    assert refused


def counts() -> Any:
    """Few cases for the fast tests, many for the slow ones."""
    return pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


@counts()
def test_damaged_metadata(data, tmp_path, count):
    content = json.loads((data / "metadata.json").read_text())
    contents = map(damages.json_bytes, damages.of_json(content, count))
    assert_same_or_refused(data, "metadata.json", contents, tmp_path / "copy")


@counts()
def test_damaged_bytes_of_metadata(data, tmp_path, count):
    contents = damages.of_bytes((data / "metadata.json").read_bytes(), count)
    assert_same_or_refused(data, "metadata.json", contents, tmp_path / "copy")


@counts()
@pytest.mark.parametrize("name", ["index-train.json", "train-00000.tfrecord"])
def test_damaged_indices_and_records(data, tmp_path, name, count):
    contents = damages.of_bytes((data / name).read_bytes(), count)
    assert_same_or_refused(data, name, contents, tmp_path / "copy")


@counts()
@pytest.mark.parametrize("name", ["metadata.json", "index-train.json"])
def test_what_earlier_versions_wrote_without_checksums_ends_in_a_sentence_too(
    data, tmp_path, name, count
):
    folder = tmp_path / "copy"
    shutil.copytree(data, folder)
    metadata = json.loads((data / "metadata.json").read_text())
    del metadata["checksum"]
    for split in metadata["splits"].values():
        del split["index_checksum"]
    (folder / "metadata.json").write_bytes(damages.json_bytes(metadata))
    assert everything(folder) == everything(data)
    for damaged in damages.of_json(json.loads((folder / name).read_text()), count):
        (folder / name).write_bytes(damages.json_bytes(damaged))
        damages.result_or_refusal(lambda: everything(folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("speakers"), "it lacks speakers"),
        (lambda m: m.update(speakers=["a", "a"]), "speakers must be a list of different names"),
        (lambda m: m.update(format=True), "format must be an integer"),
        (lambda m: m["splits"]["train"].update(records=1.0), "splits must be a mapping"),
        (lambda m: m["settings"].update(with_mel="no"), "settings must be a mapping"),
        (lambda m: m.update(seconds_by_speaker={"ann": float("nan")}), "seconds_by_speaker must"),
        (lambda m: m["recipe"].update(gain=2.0), "must be equal but for statistics"),
        (lambda m: m["recipe"].update(sample_rate="8000"), "sample_rate must be an integer"),
        (lambda m: m["recipe"]["mean"].__setitem__(0, 0.25), "it was changed after it was written"),
    ],
)
@pytest.mark.parametrize("data", ["audio"], indirect=True)
def test_each_field_is_named(data, tmp_path, change, message):
    shutil.copytree(data, tmp_path / "copy")
    path = tmp_path / "copy" / "metadata.json"
    metadata = json.loads(path.read_text())
    change(metadata)
    path.write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match=rf"metadata.json' is damaged.*{message}"):
        Records(tmp_path / "copy")


@pytest.mark.parametrize("data", ["audio"], indirect=True)
def test_values_without_bound_within_one_another(data, tmp_path):
    contents = [b"[" * 10**6, b'{"a":' * 10**6, b"9" * 10**6, b'{"a": 1, ' * 10**5]
    assert_same_or_refused(data, "metadata.json", contents, tmp_path / "copy")
