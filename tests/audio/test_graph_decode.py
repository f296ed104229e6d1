"""In-graph decoding against soundfile, and bytes that would end or hang the process."""

from __future__ import annotations

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tests.support import shared
from tfwavenet.audio import graph_decode

RATE = 16000
FORMATS = [
    ("WAV", "PCM_U8"),
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "PCM_32"),
    ("WAV", "FLOAT"),
    ("WAV", "DOUBLE"),
    ("WAVEX", "PCM_16"),
    ("WAVEX", "FLOAT"),
    ("FLAC", "PCM_S8"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"),
    ("MP3", "MPEG_LAYER_III"),
]
ATOL = {"OGG": 1e-6, "MP3": 2e-6}


# Every test begins with a cleared session, after which the graph is optimized anew: what runs in
# the graph is looped over inside few tests.
@pytest.fixture(scope="module")
def in_graph():
    return tf.function(graph_decode.decode, input_signature=[tf.TensorSpec([], tf.string)])


def noise(samples=5000, channels=2, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (samples, channels))


def encoded(audio, container="WAV", encoding="PCM_16", rate=RATE):
    stream = io.BytesIO()
    soundfile.write(stream, audio, rate, format=container, subtype=encoding)
    return stream.getvalue()


def wav(chunks):
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def layout(tag=1, channels=1, bits=16):
    block = channels * bits // 8
    return b"fmt ", struct.pack("<HHIIHH", tag, channels, RATE, RATE * block, block, bits)


def check_equals_soundfile(decode, container, encoding, channels):
    content = encoded(noise(channels=channels), container, encoding)
    expected, _ = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    audio, rate = decode(tf.constant(content))
    assert audio.dtype == tf.float32 and int(rate) == RATE
    assert audio.shape == expected.shape == (5000, channels)
    np.testing.assert_allclose(audio, expected, atol=ATOL.get(container, 0.0))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("container", "encoding"), FORMATS)
def test_equals_soundfile(container, encoding, channels):
    check_equals_soundfile(graph_decode.decode, container, encoding, channels)


def test_equals_soundfile_in_a_graph(in_graph):
    for container, encoding in FORMATS:
        for channels in (1, 2):
            check_equals_soundfile(in_graph, container, encoding, channels)


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_sample_rates(container, in_graph):
    encoding = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(container, "PCM_16")
    for rate in (8000, 11025, 22050, 32000, 44100, 48000):
        content = encoded(noise(), container, encoding, rate)
        assert int(in_graph(tf.constant(content))[1]) == rate


@pytest.mark.parametrize("position", [0, 1, 2])
def test_chunks_around_the_samples(position, in_graph):
    # tensorflow-io alone gives no samples, and no error, where an odd-sized chunk comes first.
    samples = (noise(channels=1)[:, 0] * 32768).astype("<i2")
    for extra in (b"", b"a", b"abc", b"abcd"):
        chunks = [layout(), (b"data", samples.tobytes())]
        chunks.insert(position, (b"LIST", extra))
        audio, _ = in_graph(tf.constant(wav(chunks)))
        np.testing.assert_array_equal(audio[:, 0], samples / np.float32(32768))


def test_sizes_that_are_unknown_or_a_little_wrong(in_graph):
    # As in test_audio_files: the sizes of programs that write to a pipe, and of small mistakes.
    samples = (noise(channels=2) * 32768).astype("<i2").tobytes()
    whole = wav([layout(channels=2), (b"data", samples)])
    sizes = [0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0x80000024, 0xFFFFFFD8, 0xFFFFFFFF]
    sizes += [len(samples) + extra for extra in (-4, 0, 1, 2, 8)]
    heads = [(whole[4:8], size) for size in sizes] + [(struct.pack("<I", 8), 0)]
    for riff_size, size in heads:
        content = b"RIFF" + riff_size + whole[8:40] + struct.pack("<I", size) + samples
        expected, _ = soundfile.read(io.BytesIO(content), dtype="float32")
        assert len(expected) in (5000, 4999)
        np.testing.assert_array_equal(in_graph(tf.constant(content))[0], expected)


def test_an_incomplete_last_frame_is_dropped(in_graph):
    content = wav([layout(channels=2), (b"data", b"\x01\x00\x02\x00\x03\x00")])
    np.testing.assert_array_equal(in_graph(tf.constant(content))[0] * 32768, [[1.0, 2.0]])


def test_in_a_tf_data_pipeline():
    contents = [encoded(noise(seed=seed)) for seed in range(3)]
    pipeline = tf.data.Dataset.from_tensor_slices(contents).map(graph_decode.decode)
    for seed, (audio, rate) in enumerate(pipeline):
        np.testing.assert_allclose(audio, noise(seed=seed), atol=2**-15)
        assert int(rate) == RATE


def cut(container, encoding, fraction):
    content = encoded(noise(), container, encoding)
    return content[: int(len(content) * fraction)]


BAD = {
    "nothing": b"",
    "one byte": b"O",
    "text": b"once upon a time" * 100,
    "zeros": bytes(1000),
    "only RIFF": b"RIFF",
    "only RIFF WAVE": b"RIFF\0\0\0\0WAVE",
    "only fLaC": b"fLaC",
    "only OggS": b"OggS",
    "OggS and zeros": b"OggS" + bytes(100),
    "only ID3": b"ID3",
    "ID3 longer than the file": b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(100),
    "an MP3 sync and zeros": b"\xff\xfb\x90\x64" + bytes(3),
    "no samples, WAV": wav([layout(), (b"data", b"")]),
    "no samples' chunk": wav([layout()]),
    "samples before their layout": wav([(b"data", bytes(8)), layout()]),
    "mu-law": encoded(noise(), "WAV", "ULAW"),
    "no channels": wav([layout(channels=0), (b"data", bytes(8))]),
    "12 bits": wav([layout(bits=12), (b"data", bytes(8))]),
    "a chunk of 4 GiB": wav([layout()]) + b"LIST\xff\xff\xff\xff" + bytes(20),
    "samples of 3 GiB": wav([layout()]) + b"data\xff\xff\xff\xbf" + bytes(20),
    "half a sample less": wav([layout(), (b"data", bytes(20))])[:-1],
    "ten bytes less": wav([layout(), (b"data", bytes(20))])[:-10],
    "AIFF": encoded(noise(), "AIFF"),
    "Opus": encoded(noise(), "OGG", "OPUS"),
    "half a WAV": cut("WAV", "PCM_16", 0.5),
    "half a FLAC": cut("FLAC", "PCM_16", 0.5),
    "half an Ogg": cut("OGG", "VORBIS", 0.5),
    "most of an Ogg": cut("OGG", "VORBIS", 0.99),
}


ERRORS = (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError)


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_bytes(name):
    with pytest.raises(ERRORS):
        graph_decode.decode(tf.constant(BAD[name]))


def test_bad_bytes_in_a_graph(in_graph):
    for content in BAD.values():
        with pytest.raises(ERRORS):
            in_graph(tf.constant(content))


def test_a_garbled_ogg_is_an_error(in_graph):
    content = bytearray(encoded(noise(samples=40000), "OGG", "VORBIS"))
    content[len(content) // 2] ^= 0x5A
    with pytest.raises(tf.errors.InvalidArgumentError):
        in_graph(tf.constant(bytes(content)))


@pytest.mark.parametrize("encoding", ["PCM_S8", "PCM_16", "PCM_24"])
def test_a_shortened_flac_is_an_error(encoding, in_graph):
    # Silence makes frames so small that one may be lost to the byte.
    for level in (0.0, 0.3):
        content = encoded(level * noise(samples=9000, channels=3), "FLAC", encoding)
        for missing in (1, 2, 7, 40, 4000):
            with pytest.raises(tf.errors.InvalidArgumentError):
                in_graph(tf.constant(content[: max(60, len(content) - missing)]))


def test_a_damaged_flac_frame_is_silent_or_an_error(in_graph):
    # Noise at full scale is stored verbatim, so that the damage stays in its frame of 4096 samples.
    whole = 2.0 * noise(samples=9000, channels=1)
    content = bytearray(encoded(whole, "FLAC"))
    content[5000] ^= 0x5A
    if graph_decode.tfio is None:  # soundfile finds it
        with pytest.raises(tf.errors.InvalidArgumentError):
            in_graph(tf.constant(bytes(content)))
        return
    audio, _ = in_graph(tf.constant(bytes(content)))
    assert not np.any(audio[:4096])
    np.testing.assert_allclose(audio[4096:], whole[4096:], atol=2**-15)


@pytest.mark.parametrize("contents", [3, [b"RIFF"], np.zeros((2, 2), np.float32)])
def test_arguments_of_another_kind(contents):
    with pytest.raises(ValueError, match="contents must be a string scalar. Received"):
        graph_decode.decode(contents)


DANGEROUS = """
import sys
import tensorflow as tf
from tfwavenet.audio import graph_decode
decode = tf.function(graph_decode.decode, input_signature=[tf.TensorSpec([], tf.string)])
content = open(sys.argv[1], "rb").read()
for bad in (b"", b"OggS", content[:-1], content):
    try:
        decode(tf.constant(bad))
        print("decoded")
    except tf.errors.InvalidArgumentError:
        print("error")
"""


def test_bytes_that_crash_or_hang_tensorflow_io(tmp_path):
    # Empty Vorbis ends the process; a FLAC file that promises more frames than it has hangs it.
    content = bytearray(encoded(noise(samples=9000), "FLAC"))
    content[25] += 1
    (tmp_path / "a.flac").write_bytes(content)
    command = [sys.executable, "-c", DANGEROUS, str(tmp_path / "a.flac")]
    done = subprocess.run(
        command, cwd=shared.REPOSITORY, capture_output=True, text=True, check=True, timeout=900
    )
    assert done.stdout.split() == ["error"] * 4
