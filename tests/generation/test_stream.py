"""Streams: the audio of `generate` as features arrive, stopped and continued at will."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support.tiny_models import HOP, MELS, UPSAMPLERS, mel, tiny
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.generation import Stream
from tfwavenet.generation.chunk import compiled_advance


def stream_of(model, **options):
    """A stream without XLA, whose compilation takes longer than these few samples."""
    return model.stream(jit_compile=False, chunk_samples=12, **options)


def pushed(stream, pieces):
    return np.concatenate([*(stream.push(piece) for piece in pieces), stream.finish()], axis=-1)


def assert_same_audio(one, other):
    np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("upsampler", UPSAMPLERS)
@pytest.mark.parametrize("cuts", [[], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [0, 4, 4, 5]])
def test_pieces_of_any_size_give_the_audio_of_the_whole(cuts, upsampler):
    model = tiny("MixtureOfLogistics", upsampler, num_speakers=4)
    features = mel(11)
    whole = model.generate(features, speaker=2, seed=5, chunk_samples=12, jit_compile=False)
    stream = stream_of(model, speaker=2, seed=5)
    assert_same_audio(pushed(stream, np.split(features, cuts)), whole)
    assert stream.samples == len(whole)


def test_audio_comes_as_soon_as_its_features_are_there():
    model = tiny("Gaussian", "stretch")
    stream = stream_of(model)
    ready = [len(stream.push(frame[np.newaxis])) for frame in mel(10)]
    # Chunks of two frames; frame number i is ready when `look_ahead_frames` more have arrived.
    ahead = stream.look_ahead_frames
    assert ready == [12 * (i - ahead >= 0 and (i - ahead) % 2 == 1) for i in range(10)]
    assert sum(ready) + len(stream.finish()) == 10 * HOP


def test_an_unconditional_stream_gives_as_many_samples_as_asked():
    model = tiny("MixtureOfLogistics")
    whole = model.generate(samples=50, seed=3, jit_compile=False)[0]
    stream = stream_of(model, seed=3)
    parts = [stream.pull(samples) for samples in (1, 12, 5, 30, 2)]
    assert [len(part) for part in parts] == [1, 12, 5, 30, 2]
    assert_same_audio(np.concatenate(parts), whole)


def test_a_batch_of_streams_equals_each_alone():
    model = tiny("MixtureOfLogistics", "stretch", num_speakers=4)
    features = np.stack([mel(7, seed) for seed in range(3)])
    stream = stream_of(model, batch_size=3, speaker=[0, 1, 3], seed=[5, 6, 9])
    together = pushed(stream, np.split(features, [2, 3], axis=1))
    for row, (speaker, seed) in enumerate([(0, 5), (1, 6), (3, 9)]):
        alone = pushed(stream_of(model, speaker=speaker, seed=seed), [features[row]])
        assert_same_audio(together[row], alone)


@pytest.mark.parametrize("distribution", ["Categorical", "Gaussian"])
@pytest.mark.parametrize("upsampler", [None, "stretch"])
def test_a_saved_stream_continues_to_the_bit(tmp_path, upsampler, distribution):
    model = tiny(distribution, upsampler, num_speakers=4, recipe=None)
    stream = stream_of(model, speaker=1, seed=8, temperature=0.9)
    features = mel(11)

    def advance(stream, first, last):
        return (
            stream.pull(6 * (last - first))
            if upsampler is None
            else stream.push(features[first:last])
        )

    advance(stream, 0, 5)
    stream.save(tmp_path / "stream.npz")
    expected = [advance(stream, 5, 9), advance(stream, 9, 11)]
    continued = model.load_stream(tmp_path / "stream.npz")
    actual = [advance(continued, 5, 9), advance(continued, 9, 11)]
    if upsampler:
        expected.append(stream.finish())
        continued.save(tmp_path / "again.npz")
        actual.append(model.load_stream(tmp_path / "again.npz").finish())
    np.testing.assert_array_equal(np.concatenate(actual), np.concatenate(expected))
    assert continued.samples <= stream.samples


# With all that a recipe has to carry on: the memory of the de-emphasis.
EMPHASIS = FeatureRecipe(
    sample_rate=8000, n_fft=64, win_samples=64, hop_samples=HOP, n_mels=MELS, pre_emphasis=0.85
)


def stopped_streams():
    """A stream of each kind, {name: how it is begun}; none of them has made anything yet."""
    features = {"distribution": "MixtureOfLogistics", "upsampler": "stretch", "recipe": EMPHASIS}
    codes, speakers = tiny("Categorical"), tiny(**features, num_speakers=4)
    return {
        "conditional": tiny(**features).stream(chunk_samples=12, seed=2),
        "unconditional": stream_of(codes, seed=2, top_k=9, top_p=0.9),
        "speaker": stream_of(speakers, seed=2, speaker=3),
        "batch": stream_of(speakers, batch_size=3, seed=[2, 5, 4], speaker=[3, 0, 1]),
    }


def after_the_stop(name, stream):
    """What a stream makes that was stopped after 30 samples."""
    if name == "unconditional":
        return stream.pull(36)
    rest = given_to(name)[..., 5:, :]
    return np.concatenate([stream.push(rest), stream.finish()], axis=-1)


def given_to(name):
    return np.stack([mel(11, seed) for seed in range(3)]) if name == "batch" else mel(11)


_OTHER_PROCESS = """
import sys
import numpy as np
from tests.generation.test_stream import after_the_stop, stopped_streams
folder = sys.argv[1]
for name, begun in stopped_streams().items():
    stream = begun._model.load_stream(f"{folder}/{name}.npz")
    np.save(f"{folder}/{name}.npy", after_the_stop(name, stream))
"""


def test_another_process_continues_to_the_bit(tmp_path):
    expected = {}
    for name, stream in stopped_streams().items():
        stream.pull(30) if name == "unconditional" else stream.push(given_to(name)[..., :5, :])
        stream.save(tmp_path / f"{name}.npz")
        expected[name] = after_the_stop(name, stream)
    subprocess.run([sys.executable, "-c", _OTHER_PROCESS, tmp_path], check=True, timeout=300)
    for name, audio in expected.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), audio)


def test_half_precision_state_is_saved_too(tmp_path):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = tiny("Gaussian")
    stream = stream_of(model)
    stream.pull(20)
    stream.save(tmp_path / "stream.npz")
    expected = stream.pull(20)
    np.testing.assert_array_equal(model.load_stream(tmp_path / "stream.npz").pull(20), expected)


def test_what_a_stream_keeps_does_not_grow():
    model = tiny("Gaussian", "stretch")
    stream = stream_of(model)
    sizes = set()
    for index in range(30):
        stream.push(mel(2, index))
        sizes.add(stream._state["mel"].shape[1:])
    assert max(size[0] for size in sizes) <= 2 * 12 // HOP + 2 * stream.look_ahead_frames + 2
    assert len(stream.chunk_seconds) == len(range(30)) - -(-stream.look_ahead_frames // 2)


def test_the_time_of_each_chunk_is_reported():
    stream = stream_of(tiny("Gaussian"))
    begin = time.perf_counter()
    stream.pull(36)
    took = time.perf_counter() - begin
    assert len(stream.chunk_seconds) == 3
    assert 0.5 * took < sum(stream.chunk_seconds) <= took


def test_streams_compile_once():
    model = tiny("Gaussian", "stretch")
    for frames in (3, 9):
        pushed(model.stream(chunk_samples=12), [mel(frames)])
    assert compiled_advance(model, True).experimental_get_tracing_count() == 1


def resident_bytes():
    return int(pathlib.Path("/proc/self/statm").read_text("utf-8").split()[1]) * 4096


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="needs Linux")
def test_ten_minutes_take_no_more_memory_than_one_second():
    rate, model = 8000, tiny("Gaussian", "stretch", num_layers=2)
    stream, frames = model.stream(chunk_samples=rate // 4), rate // HOP
    stream.push(mel(2 * frames))
    sizes = []
    for second in range(600):
        stream.push(mel(frames, second))
        sizes.append(resident_bytes())
    assert stream.samples > 599 * rate
    assert max(sizes[1:]) - sizes[0] < 2**22


BAD = np.full([2, MELS], np.nan, np.float32)


@pytest.mark.parametrize(
    ("upsampler", "use", "message"),
    [
        (None, lambda s: s.push(mel(2)), "takes no features: use `pull`"),
        (None, lambda s: s.finish(), "takes no features"),
        (None, lambda s: s.pull(0), "integer of at least 1. Received: samples=0"),
        (None, lambda s: s.pull(8.0), "integer of at least 1. Received: samples=8.0"),
        ("stretch", lambda s: s.pull(5), "use `push`"),
        ("stretch", lambda s: s.push(mel(2)[:, :3]), r"\[frames, 5\]. Received: shape=\(2, 3\)"),
        ("stretch", lambda s: s.push(mel(2)[0]), r"Received: shape=\(5,\)"),
        ("stretch", lambda s: s.push(BAD), "finite mel values"),
        ("stretch", lambda s: (s.finish(), s.push(mel(1))), "stream has ended"),
    ],
)
def test_what_does_not_fit_is_refused(upsampler, use, message):
    stream = stream_of(tiny("Gaussian", upsampler))
    with pytest.raises(ValueError, match=message):
        use(stream)
    if upsampler and "ended" not in message:
        # Nothing of what was refused is left in the stream.
        expected = pushed(stream_of(tiny("Gaussian", upsampler)), [mel(5)])
        assert_same_audio(pushed(stream, [mel(5)]), expected)
    if upsampler is None:
        assert_same_audio(stream.pull(9), stream_of(tiny("Gaussian")).pull(9))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "integer of at least 1"),
        ({"seed": 1.5}, "seed must be an integer from .* Received: seed=1.5"),
        ({"seed": None}, "seed must be an integer from .* Received: seed=None"),
        ({"temperature": float("inf")}, "temperature of 0 or more"),
        ({"temperature": -1.0}, "temperature of 0 or more"),
        ({"temperature": float("nan")}, "temperature of 0 or more"),
        ({"chunk_samples": 0}, "integer of at least 1"),
        ({"speaker": 1}, "knows no speakers"),
        ({"batch_size": 2, "seed": [1, 2, 3]}, "same number of utterances"),
    ],
)
def test_impossible_streams_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        tiny("Gaussian").stream(**options)


class TestFiles:
    def saved(self, path, **kwargs):
        stream = stream_of(tiny("Gaussian", **kwargs))
        stream.pull(20)
        stream.save(path)

    def test_of_other_weights_is_refused(self, tmp_path):
        self.saved(tmp_path / "s.npz")
        model = tiny("Gaussian")
        model.trainable_weights[0].assign_add(tf.ones_like(model.trainable_weights[0]))
        with pytest.raises(ValueError, match="of this model with these weights"):
            Stream.load(model, tmp_path / "s.npz")

    def test_of_another_network_is_refused(self, tmp_path):
        self.saved(tmp_path / "s.npz", kernel_size=3)
        with pytest.raises(ValueError, match="of this model with these weights"):
            Stream.load(tiny("Gaussian"), tmp_path / "s.npz")

    @pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut off"])
    def test_that_is_something_else_is_refused(self, tmp_path, content):
        (tmp_path / "s.npz").write_bytes(content)
        with pytest.raises(ValueError, match="Expected a file that a stream was saved in"):
            Stream.load(tiny("Gaussian"), tmp_path / "s.npz")

    def test_that_was_cut_off_is_refused(self, tmp_path):
        self.saved(tmp_path / "s.npz")
        content = (tmp_path / "s.npz").read_bytes()
        (tmp_path / "s.npz").write_bytes(content[: len(content) // 2])
        with pytest.raises(ValueError, match="Expected a file that a stream was saved in"):
            Stream.load(tiny("Gaussian"), tmp_path / "s.npz")

    def test_without_the_right_content_is_refused(self, tmp_path):
        np.savez(tmp_path / "s.npz", description=json.dumps({}), other=np.zeros(3))
        with pytest.raises(ValueError, match="Expected a file that a stream was saved in"):
            Stream.load(tiny("Gaussian"), tmp_path / "s.npz")
