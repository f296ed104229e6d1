"""Reading and writing audio files: right samples, or one sentence and nothing half-done."""

from __future__ import annotations

import os
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.support import shared
from tfwavenet.audio import audio_files, containers

RATE = 16000
# (extension, container, encoding, largest error). Lossy codecs are compared with soundfile itself.
LOSSLESS = [
    ("wav", "WAV", "PCM_U8", 2**-7),
    ("wav", "WAV", "PCM_16", 2**-15),
    ("wav", "WAV", "PCM_24", 2**-23),
    ("wav", "WAV", "PCM_32", 2**-23),
    ("wav", "WAV", "FLOAT", 1e-7),
    ("wav", "WAV", "DOUBLE", 1e-7),
    ("wav", "WAVEX", "PCM_16", 2**-15),
    ("wav", "RF64", "PCM_16", 2**-15),
    ("wav", "WAV", "ULAW", 0.02),
    ("flac", "FLAC", "PCM_16", 2**-15),
    ("flac", "FLAC", "PCM_24", 2**-23),
    ("aiff", "AIFF", "PCM_16", 2**-15),
]
LOSSY = [
    ("ogg", "OGG", "VORBIS"),
    ("ogg", "OGG", "OPUS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
]
ALL = [row[:3] for row in LOSSLESS] + LOSSY


def tone(seconds=1.0, rate=RATE, hz=440.0):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def store(folder, audio, extension="wav", container="WAV", encoding="PCM_16", **options):
    rate = options.get("rate", RATE)
    path = folder / f"clip.{extension}"
    soundfile.write(path, audio, rate, format=container, subtype=encoding)
    return path


def message(path, **arguments):
    """The error's text: one line that names the file."""
    with pytest.raises(audio_files.AudioFileError) as caught:
        audio_files.read(path, **arguments)
    text = str(caught.value)
    assert repr(str(path)) in text and "\n" not in text and "Received: " in text
    return text


@pytest.mark.parametrize(("extension", "container", "encoding", "atol"), LOSSLESS)
def test_lossless_formats(tmp_path, extension, container, encoding, atol):
    path = store(tmp_path, tone(), extension, container, encoding)
    audio, rate = audio_files.read(path)
    assert (audio.dtype, audio.shape, rate) == (np.float32, (RATE,), RATE)
    np.testing.assert_allclose(audio, tone(), atol=atol)


@pytest.mark.parametrize(("extension", "container", "encoding"), LOSSY)
def test_lossy_formats(tmp_path, extension, container, encoding):
    path = store(tmp_path, tone(), extension, container, encoding)
    audio, rate = audio_files.read(path)
    assert rate == RATE and audio.shape == (RATE,)
    np.testing.assert_allclose(audio, soundfile.read(path, dtype="float32")[0], atol=1e-6)
    assert np.abs(audio[1000:-1000] - tone()[1000:-1000]).max() < 0.05


def test_channels_are_averaged(tmp_path):
    stereo = np.stack([tone(), -0.5 * tone(hz=300.0)], axis=1)
    path = store(tmp_path, stereo, encoding="FLOAT")
    np.testing.assert_allclose(audio_files.read(path)[0], stereo.mean(axis=1), atol=1e-7)
    audio, _ = audio_files.read(path, mono=False)
    np.testing.assert_array_equal(audio, stereo)
    assert audio_files.read(store(tmp_path, tone()), mono=False)[0].shape == (RATE, 1)


@pytest.mark.parametrize("mono", [True, False])
@pytest.mark.parametrize(("rate", "target"), [(22050, 16000), (8000, 16000), (16000, 16000)])
def test_resampling(tmp_path, rate, target, mono):
    path = store(tmp_path, tone(rate=rate), encoding="FLOAT", rate=rate)
    audio, found = audio_files.read(path, sample_rate=target, mono=mono)
    audio = audio if mono else audio[:, 0]
    assert found == target and len(audio) == target
    np.testing.assert_allclose(audio[500:-500], tone(rate=target)[500:-500], atol=1e-3)


def test_info(tmp_path):
    found = audio_files.info(store(tmp_path, np.stack([tone(0.5)] * 2, axis=1), "flac", "FLAC"))
    assert found == audio_files.AudioInfo(RATE // 2, RATE, 2, "FLAC", "PCM_16")
    assert found.seconds == 0.5


def test_longer_than_one_block(tmp_path, monkeypatch):
    monkeypatch.setattr(audio_files, "_BLOCK_FRAMES", 1000)
    for samples in (999, 1000, 1001, 5000):
        path = store(tmp_path, tone()[:samples], encoding="FLOAT")
        np.testing.assert_array_equal(audio_files.read(path)[0], tone()[:samples])


def test_missing_directory_and_empty(tmp_path):
    assert "no such file" in message(tmp_path / "absent.wav")
    assert "a directory" in message(tmp_path)
    (tmp_path / "empty.wav").touch()
    assert "an empty file of 0 bytes" in message(tmp_path / "empty.wav")
    with pytest.raises(audio_files.AudioFileError, match="no such file"):
        audio_files.info(tmp_path / "absent.wav")


def test_names_with_odd_characters(tmp_path):
    path = tmp_path / "ein Lied, für 'dich' 雪.wav"
    audio_files.write(path, tone(), RATE)
    assert audio_files.read(path)[0].shape == (RATE,)


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3", "raw", "txt"])
@pytest.mark.parametrize("content", [b"once upon a time " * 200, bytes(5000), b"RIFF"])
def test_not_audio(tmp_path, extension, content):
    path = tmp_path / f"clip.{extension}"
    path.write_bytes(content)
    assert "bytes that do not decode" in message(path)


@pytest.mark.parametrize("fraction", [0.999, 0.9, 0.5, 0.1, 0.01])
@pytest.mark.parametrize(("extension", "container", "encoding"), ALL)
def test_cut_off_anywhere(tmp_path, extension, container, encoding, fraction):
    noise = np.random.default_rng(0).normal(scale=0.1, size=2 * RATE)
    path = store(tmp_path, noise, extension, container, encoding)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * fraction)])
    text = message(path)
    assert "truncated" in text or "do not decode" in text


def test_a_cut_off_wav_says_how_much_is_missing(tmp_path):
    path = store(tmp_path, tone())
    path.write_bytes(path.read_bytes()[:1044])
    assert "32000 bytes of samples expected, 1000 found" in message(path)


@pytest.mark.parametrize("length", [1, 10, 2000])
@pytest.mark.parametrize(("extension", "container", "encoding"), [ALL[9], ALL[12], ALL[13]])
def test_garbled_in_the_middle(tmp_path, extension, container, encoding, length):
    # FLAC frames and Ogg pages have checksums; MP3 has none.
    noise = np.random.default_rng(0).normal(scale=0.1, size=2 * RATE)
    path = store(tmp_path, noise, extension, container, encoding)
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    for at in range(half, half + length):
        content[at] ^= 0x5A
    path.write_bytes(content)
    text = message(path)
    assert "corrupt" in text or "do not decode" in text


def test_ogg_checksums_are_right():
    # The polynomial division of RFC 3533, bit by bit, on a page of every byte value.
    page = b"OggS" + bytes(range(200)) * 3
    crc = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x104C11DB7 if crc & 0x80000000 else 0)
    assert containers._ogg_checksum(page) == crc.to_bytes(4, "little")


@pytest.mark.parametrize(("extension", "container", "encoding"), [ALL[1], ALL[9], ALL[12]])
def test_no_samples(tmp_path, extension, container, encoding):
    path = store(tmp_path, np.zeros(0, np.float32), extension, container, encoding)
    text = message(path)
    assert "samples=0" in text or "empty file" in text


def test_integers_stored_as_floats_are_refused(tmp_path):
    audio = np.sin(np.arange(100) / 5).astype(np.float32)
    assert "full scale is 1" in message(store(tmp_path, 32767 * audio, encoding="FLOAT"))
    audio_files.read(store(tmp_path, 2 * audio, encoding="FLOAT"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(tmp_path, value):
    audio = tone()
    audio[77] = value
    assert "NaN or infinity" in message(store(tmp_path, audio, encoding="FLOAT"))


def wav_bytes(chunks, riff_size=None):
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", riff_size or 4 + len(body)) + b"WAVE" + body


LAYOUT = (b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))


def test_unusual_but_whole_wav_files_are_read(tmp_path):
    samples = (b"data", (tone() * 32768).astype("<i2").tobytes())
    odd, info = (b"LIST", b"INFOx"), (b"LIST", b"INFOabcd")
    for content in (
        wav_bytes([LAYOUT, odd, samples]),
        wav_bytes([odd, LAYOUT, samples, info]),
        wav_bytes([LAYOUT, samples], riff_size=0xFFFFFFFF),
        wav_bytes([LAYOUT, samples]) + b"trailing bytes",
    ):
        path = tmp_path / "clip.wav"
        path.write_bytes(content)
        np.testing.assert_allclose(audio_files.read(path)[0], tone(), atol=2**-15)


def samples_of(channels, bits):
    """Little-endian integers of white noise: bytes of 1000 frames."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, 1000 * channels * bits // 8, np.uint8).tobytes()


def wav_of_size(data, size, *, channels=1, bits=16, riff_size=0):
    """A WAV file whose header gives `size` for its samples, whatever their number is."""
    block = channels * bits // 8
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, RATE, RATE * block, block, bits)
    return (
        b"RIFF"
        + struct.pack("<I4s", riff_size, b"WAVE")
        + head
        + struct.pack("<4sI", b"data", size)
        + data
    )


def check_equals_libsndfile(path, content, frames):
    path.write_bytes(content)
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    assert len(expected) == frames == audio_files.whole_info(path).frames
    np.testing.assert_array_equal(audio_files.read(path, mono=False)[0], expected)


# sox and espeak write 0x7ffff000, sox less the part of a frame that does not fit; arecord
# 0x80000000 or 0x7fffffff, less a part of a period; ffmpeg 0xffffffff; some subtract the header.
@pytest.mark.parametrize(
    "size",
    [
        0x7FFFF000,
        0x7FFFEFFC,
        0x7FFFFFFF,
        0x7FFFC000,
        0x80000000,
        0x80000024,
        0xFFFFFFD8,
        0xFFFFFFFF,
    ],
)
@pytest.mark.parametrize(("channels", "bits"), [(1, 16), (2, 24)])
@pytest.mark.parametrize("riff_size", [0, 0x7FFFF024, 0xFFFFFFFF])
def test_a_wav_of_unknown_length_is_read(tmp_path, size, channels, bits, riff_size):
    data = samples_of(channels, bits)
    content = wav_of_size(data, size, channels=channels, bits=bits, riff_size=riff_size)
    check_equals_libsndfile(tmp_path / "clip.wav", content, 1000)


def test_a_wav_that_was_never_closed_is_read_if_libsndfile_does(tmp_path):
    path, data = tmp_path / "clip.wav", samples_of(1, 16)
    check_equals_libsndfile(path, wav_of_size(data, 0, riff_size=8), 1000)
    path.write_bytes(wav_of_size(data, 0, riff_size=36))
    assert len(soundfile.read(path)[0]) == 0
    assert "samples=0" in message(path)


# A header may count a pad byte, or the eight bytes of the chunk's own header.
@pytest.mark.parametrize("extra", [1, 2, 8])
@pytest.mark.parametrize(("channels", "bits"), [(1, 8), (1, 16), (2, 24)])
def test_a_size_that_is_a_few_bytes_too_large_is_read(tmp_path, channels, bits, extra):
    data = samples_of(channels, bits)
    content = wav_of_size(data, len(data) + extra, channels=channels, bits=bits)
    check_equals_libsndfile(tmp_path / "clip.wav", content, 1000)


# Half a sample, or more than the header of a chunk; sizes that no writer takes for unknown.
@pytest.mark.parametrize(
    ("size", "missing"),
    [(2000, 1), (2000, 7), (2000, 10), (2000, 1000), (0x7FFE0000, 0), (3 << 30, 0)],
)
def test_a_truncated_wav_is_refused(tmp_path, size, missing):
    path = tmp_path / "clip.wav"
    path.write_bytes(wav_of_size(samples_of(1, 16)[: 2000 - missing], size))
    expected = f"a truncated file, {size} bytes of samples expected, {2000 - missing} found"
    assert expected in message(path)
    with pytest.raises(audio_files.AudioFileError, match=expected):
        audio_files.whole_info(path)


def aiff_of_size(data, size, frames, channels=1, bits=16):
    rate = struct.pack(">HQ", 16383 + 13, RATE << (63 - 13))  # 80-bit float: 2^13 <= 16000 < 2^14
    head = struct.pack(">4sIhIh", b"COMM", 18, channels, frames, bits) + rate
    body = b"AIFF" + head + struct.pack(">4sIII", b"SSND", size, 0, 0) + data
    return struct.pack(">4sI", b"FORM", min(size + 38, 0xFFFFFFFF)) + body


# sox writes 0x7f000000 for the samples and eight bytes more for their chunk; ffmpeg zero.
@pytest.mark.parametrize(
    ("size", "frames"),
    [(0x7F000008, 0x3F800000), (0, 0), (0xFFFFFFFF, 0xFFFFFFFF), (2008, 1000), (2010, 1001)],
)
def test_an_aiff_of_unknown_length_is_read(tmp_path, size, frames):
    content = aiff_of_size(samples_of(1, 16), size, frames)
    check_equals_libsndfile(tmp_path / "clip.aiff", content, 1000)


# The eight bytes in front of AIFF's samples are no whole number of frames of 24-bit stereo.
@pytest.mark.parametrize("extra", [1, 8])
def test_an_aiff_size_that_is_a_few_bytes_too_large_is_read(tmp_path, extra):
    content = aiff_of_size(samples_of(2, 24), 6008 + extra, 1000, channels=2, bits=24)
    check_equals_libsndfile(tmp_path / "clip.aiff", content, 1000)


@pytest.mark.parametrize("missing", [1, 10, 1000])
def test_a_truncated_aiff_is_refused(tmp_path, missing):
    path = tmp_path / "clip.aiff"
    path.write_bytes(aiff_of_size(samples_of(1, 16), 2008, 1000)[:-missing])
    assert f"2008 bytes of samples expected, {2008 - missing} found" in message(path)


def test_an_mp3_without_its_length_is_read(tmp_path):
    # Silence and noise at a variable rate: the length can only be guessed from the first frames.
    noise = np.random.default_rng(0).normal(scale=0.2, size=2 * RATE)
    path = tmp_path / "clip.mp3"
    audio = np.concatenate([np.zeros(2 * RATE), noise])
    soundfile.write(path, audio, RATE, bitrate_mode="VARIABLE", compression_level=0.5)
    content = path.read_bytes()
    second_frame = content.find(content[:2], 10)
    path.write_bytes(content[second_frame:])
    found, _ = audio_files.read(path)
    assert abs(len(found) - 4 * RATE) < 2000


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("missing", [0, 1, 2000])
def test_a_cut_file_is_found_without_decoding_it(tmp_path, suffix, missing):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, RATE), RATE)
    os.truncate(path, os.path.getsize(path) - missing)
    if missing == 0:
        assert audio_files.whole_info(path) == audio_files.info(path)
    else:
        with pytest.raises(audio_files.AudioFileError, match="all that its header promises"):
            audio_files.whole_info(path)


@pytest.mark.parametrize(
    ("audio", "silent"),
    [
        (np.zeros(100), True),
        (np.full(100, 0.3), True),
        (np.zeros(0), True),
        (np.array([0.0, 0.0009, 0.0]), True),
        (np.array([0.0, 0.002, 0.0]), False),
        (np.array([[0.0, 0.0], [0.0, 0.1]]), False),
    ],
)
def test_is_silent(audio, silent):
    assert audio_files.is_silent(audio) is silent


def test_16_bit_samples_survive_to_the_bit(tmp_path):
    every = np.arange(-32768, 32768, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", every, RATE)
    audio, rate = audio_files.read(tmp_path / "a.wav")
    audio_files.write(tmp_path / "b.wav", audio, rate)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "b.wav", dtype="int16")[0], every)
    assert audio_files.info(tmp_path / "b.wav").encoding == "PCM_16"


def test_writing_clips_without_wrapping(tmp_path):
    audio_files.write(tmp_path / "a.wav", np.array([1.0, 1.5, 1e9, -1.0, -1.5, -1e9]), RATE)
    found, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert found.tolist() == [32767, 32767, 32767, -32768, -32768, -32768]


def test_writing_channels(tmp_path):
    stereo = np.stack([tone(), -tone()], axis=1)
    audio_files.write(tmp_path / "a.wav", stereo, RATE)
    np.testing.assert_allclose(
        audio_files.read(tmp_path / "a.wav", mono=False)[0], stereo, atol=2**-15
    )


@pytest.mark.parametrize(
    ("audio", "rate", "expected"),
    [
        (np.array([0.0, np.nan]), RATE, "must be finite"),
        (np.array([0.0, np.inf]), RATE, "must be finite"),
        (np.zeros((2, 2, 2)), RATE, r"shape=\(2, 2, 2\)"),
        (np.zeros(4, np.int16), RATE, "dtype=int16"),
        (np.zeros(4), 0, "sample_rate=0"),
    ],
)
def test_what_cannot_be_written(tmp_path, audio, rate, expected):
    path = tmp_path / "a.wav"
    path.write_bytes(b"what was there before")
    with pytest.raises(ValueError, match=expected):
        audio_files.write(path, audio, rate)
    assert path.read_bytes() == b"what was there before" and os.listdir(tmp_path) == ["a.wav"]


FULL_DISK = """
import resource, sys
import numpy as np
from tfwavenet.audio import containers, audio_files
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    audio_files.write(sys.argv[1], np.zeros(16000), 16000)
except OSError as error:
    print(error)
"""


def test_a_full_disk_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"what was there before")
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    done = subprocess.run(
        command, cwd=shared.REPOSITORY, capture_output=True, text=True, check=True
    )
    assert repr(str(path)) in done.stdout and len(done.stdout.splitlines()) == 1
    assert path.read_bytes() == b"what was there before" and os.listdir(tmp_path) == ["a.wav"]


def test_a_directory_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        audio_files.write(tmp_path / "file" / "clip.wav", tone(), RATE)


@pytest.mark.parametrize("rate", [1, 999, 2**31 - 1])
def test_implausible_rates_are_not_resampled(rate, tmp_path):
    """A file of 13 kB that claims 1 Hz would become 100 million samples."""
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(6500, np.float32) + 0.1, rate, subtype="PCM_16")
    assert audio_files.read(path)[1] == rate
    with pytest.raises(
        audio_files.AudioFileError, match=rf"a sample rate from .*: sample_rate={rate}"
    ):
        audio_files.read(path, sample_rate=16_000)
