"""Damaged files of streams: the same audio, or a sentence that names the file."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest

from tests.support import damages, tiny_models
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.generation.stream import Stream

FEW, MANY = 150, 3000
COUNTS = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
OPTIONS: dict[str, Any] = {"chunk_samples": 12, "jit_compile": False, "temperature": 0.8}
RECIPE = FeatureRecipe(
    sample_rate=4000, n_fft=64, win_samples=64, hop_samples=6, n_mels=5, pre_emphasis=0.9
)


@pytest.fixture(scope="module", params=["features", "codes"])
def saved(request, tmp_path_factory):
    """A model, the file of a stream that has begun, and what follows from it."""
    path = tmp_path_factory.mktemp(request.param) / "stream.npz"
    if request.param == "features":
        model = tiny_models.tiny(
            "MixtureOfLogistics", upsampler="stretch", num_speakers=3, recipe=RECIPE
        )
        stream = model.stream(batch_size=2, speaker=[0, 2], seed=[4, 9], **OPTIONS)
        stream.push(np.stack([tiny_models.mel(6), tiny_models.mel(6, seed=1)]))
    else:
        model = tiny_models.tiny()
        stream = model.stream(seed=3, **OPTIONS)
        stream.pull(17)
    stream.save(path)
    return model, path, following(model, stream)


def following(model, stream) -> Any:
    if model.upsampler is None:
        return stream.samples, stream.pull(9).tobytes()
    more = np.stack([tiny_models.mel(2, seed=2), tiny_models.mel(2, seed=3)])
    return stream.samples, np.concatenate([stream.push(more), stream.finish()], 1).tobytes()


def assert_same_or_refused(saved, content: bytes, path) -> bool:
    """Whether the content was refused."""
    model, _, expected = saved
    path.write_bytes(content)
    stream = damages.result_or_refusal(lambda: Stream.load(model, path))
    if isinstance(stream, damages.Refusal):
        assert str(path) in stream.sentence
        return True
    assert following(model, stream) == expected
    return False


def with_arrays(saved, change) -> bytes:
    """The file with other arrays, and a description without a checksum, as of earlier versions."""
    with np.load(saved[1]) as archive:
        arrays = dict(archive)
    description = json.loads(str(arrays["description"]))
    del description["checksum"], description["version"]
    arrays["description"] = np.array(json.dumps(description))
    change(arrays)
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@COUNTS
def test_damaged_bytes(saved, tmp_path, count):
    contents = damages.of_bytes(saved[1].read_bytes(), count)
    refused = [assert_same_or_refused(saved, one, tmp_path / "damaged.npz") for one in contents]
    assert 0 < sum(refused)


@COUNTS
def test_damaged_descriptions(saved, tmp_path, count):
    def described(value):
        def change(arrays):
            text = damages.json_bytes(value).decode()
            arrays["description"] = np.array(text)

        return change

    with np.load(saved[1]) as archive:
        description = json.loads(str(archive["description"]))
    for damaged in damages.of_json(description, count):
        content = with_arrays(saved, described(damaged))
        assert_same_or_refused(saved, content, tmp_path / "damaged.npz")


@COUNTS
def test_damaged_arrays_of_earlier_versions_end_in_a_sentence_too(saved, tmp_path, count):
    model, path, _ = saved
    odd = [np.zeros(0), np.zeros([3, 4]), np.array("text"), np.array(1), np.zeros([2, 9], "i1")]
    rng = np.random.default_rng(0)
    with np.load(path) as archive:
        names = sorted(set(archive) - {"description"})
    assert not assert_same_or_refused(saved, with_arrays(saved, lambda _: None), tmp_path / "a")
    for _ in range(count // 3):
        name, value = rng.choice(names), odd[rng.integers(len(odd))]
        change = (lambda a, n=name: a.pop(n)) if rng.random() < 0.3 else None
        content = with_arrays(saved, change or (lambda a, n=name, v=value: a.update({n: v})))
        (tmp_path / "odd.npz").write_bytes(content)
        found = damages.result_or_refusal(lambda: Stream.load(model, tmp_path / "odd.npz"))
        if not isinstance(found, damages.Refusal):
            following(model, found)


def test_an_array_that_claims_to_be_enormous(saved, tmp_path):
    content = bytearray(saved[1].read_bytes())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = "state_0.npy"
    text = parts[name].replace(b"'shape': (", b"'shape': (99999999, ", 1)
    parts[name] = text[:8] + np.uint16(int.from_bytes(text[8:10], "little")).tobytes() + text[10:]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in parts.items():
            archive.writestr(key, value)
    assert assert_same_or_refused(saved, file.getvalue(), tmp_path / "enormous.npz")


def test_an_archive_that_is_compressed_a_thousand_times(saved, tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("description.npy", bytes(420 << 20))
    assert assert_same_or_refused(saved, file.getvalue(), tmp_path / "bomb.npz")


def test_another_instance_of_the_same_weights_goes_on(saved, tmp_path):
    model, path, expected = saved
    copy = type(model).from_config({**model.get_config(), "name": "another"})
    copy.build()
    copy.set_weights(model.get_weights())
    assert following(copy, Stream.load(copy, path)) == expected
