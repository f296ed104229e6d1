"""Decodes audio inside a TensorFlow graph.

The samples are decoded by tensorflow-io where it is installed. It has no release for
TensorFlow 2.18 and newer; elsewhere soundfile decodes them in a `tf.py_function`, which is part of a graph but not of
a SavedModel, and takes the GIL.

This is the only module that imports `tensorflow_io`, whose operations have faults. They do not
tell the sample rate. Empty Vorbis bytes end the process, and a FLAC file with fewer frames than
it promises is waited for without end. A WAV file with an odd-sized chunk gives no samples, and
32-bit integers give wrong samples. So the headers are read here first, in the graph, and either
decoder gets only files that it decodes rightly.

`tfwavenet.audio.audio_files` reads more formats and finds more faults. Use this module where
decoding must be part of a graph or a `tf.data` pipeline.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import soundfile
import tensorflow as tf

from tfwavenet.audio import containers, flac_marker

try:
    with warnings.catch_warnings():
        # Beside another TensorFlow than its own it warns, and fails at its first operation.
        warnings.simplefilter("ignore")
        import tensorflow_io as tfio
        from tensorflow_io.python.ops import core_ops
    _ = core_ops.io_audio_decode_wav
except (ImportError, NotImplementedError):
    tfio = None

_FIRST_PAGE_BYTES = 58
_OGG_TAIL_BYTES = 131072
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_WAV_ENCODINGS = ((_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64))
_FLAC_BITS = (8, 16, 24)
_MP3_RATES = (44100, 48000, 32000, 0)
_MP3_VERSION_DIVISORS = (4, 1, 2, 1)


@tf.autograph.experimental.do_not_convert
def decode(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes the bytes of a WAV, FLAC, MP3 or Ogg Vorbis file; the bytes decide which.

    Works in eager mode and in graphs (not under XLA).

    Args:
        contents: string scalar, a whole file.

    Returns:
        The audio, float32 [samples, channels], integers scaled to [-1, 1), and the sample rate,
        int32 scalar, in Hz.

    Raises:
        tf.errors.InvalidArgumentError: if the bytes are of another format, cut off (see
            `containers.damage`; not noticed for MP3), in an encoding that cannot be decoded here,
            or hold no samples. Damage between the headers is found in Ogg only; with
            tensorflow-io a damaged FLAC frame becomes silence.
    """
    contents = tf.convert_to_tensor(contents)
    if contents.dtype != tf.string or contents.shape.rank not in (0, None):
        raise ValueError(
            "contents must be a string scalar. "
            f"Received: dtype={contents.dtype.name}, shape={contents.shape}"
        )
    kinds = tf.stack(
        [
            _starts_with(contents, b"RIFF") & _starts_with(contents, b"WAVE", at=8),
            _starts_with(contents, b"fLaC"),
            _starts_with(contents, b"OggS"),
            _starts_with(contents, b"ID3") | (_big(contents, 0, 2) >= 0xFFE0),
        ]
    )
    contents = _require(
        tf.reduce_any(kinds), "the bytes of a WAV, FLAC, Ogg Vorbis or MP3 file expected", contents
    )
    branches = [_decode_wav, _decode_flac, _decode_vorbis, _decode_mp3]
    audio, rate = tf.switch_case(
        tf.argmax(tf.cast(kinds, tf.int32), output_type=tf.int32),
        [lambda branch=branch: branch(contents) for branch in branches],
    )
    audio = _require(tf.shape(audio)[0] > 0, "at least one audio sample expected", audio)
    audio.set_shape([None, None])
    return audio, rate


def _decode_wav(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    layout, layout_bytes, data = _find_wav_chunks(contents)
    data_bytes = _wav_data_bytes(contents, data, frame_bytes=_little(contents, layout + 20, 2))
    whole = (layout > 0) & (data > 0) & (data_bytes <= tf.strings.length(contents) - data - 8)
    contents = _require(
        whole, "a WAV file with all the samples that it promises expected", contents
    )
    tag = _little(contents, layout + 8, 2)
    extended = _little(contents, layout + 32, 2)
    tag = tf.where(tag == _EXTENSIBLE, extended, tag)
    bits = _little(contents, layout + 22, 2)
    known = tf.reduce_all(tf.stack([tag, bits]) == tf.constant(_WAV_ENCODINGS), axis=1)
    expected = "WAV samples of 8, 16, 24 or 32-bit integers or 32 or 64-bit floats expected"
    contents = _require(tf.reduce_any(known), expected, contents, tag, bits)
    channels, rate = _little(contents, layout + 10, 2), _little(contents, layout + 12, 4)
    contents = _require(
        (channels > 0) & (rate > 0), "a sample rate and channels expected", contents
    )
    block = channels * bits // 8
    samples = tf.strings.substr(contents, data + 8, data_bytes // block * block)
    plain = _plain_wav(tf.strings.substr(contents, layout, layout_bytes + 8), samples)
    audio = tf.switch_case(
        tf.argmax(tf.cast(known, tf.int32), output_type=tf.int32),
        [
            lambda: _decoded("wav", plain, tf.uint8),
            lambda: _decoded("wav", plain, tf.int16),
            lambda: _decoded("wav", plain, tf.int32),
            lambda: _unit(_raw(samples, tf.int32, channels)),
            lambda: _decoded("wav", plain, tf.float32),
            lambda: _unit(_raw(samples, tf.float64, channels)),
        ],
    )
    return audio, rate


def _plain_wav(layout: tf.Tensor, samples: tf.Tensor) -> tf.Tensor:
    """Builds a WAV file of two chunks: an odd-sized third chunk would give no samples."""
    body = tf.strings.join([b"WAVE", layout, b"data", _size_bytes(samples), samples])
    return tf.strings.join([b"RIFF", _size_bytes(body), body])


def _size_bytes(text: tf.Tensor) -> tf.Tensor:
    """Returns the length of a string as four little-endian bytes: string scalar."""
    return flac_marker.to_bytes(
        tf.strings.length(text) // tf.constant([1, 1 << 8, 1 << 16, 1 << 24]) % 256
    )


def _find_wav_chunks(contents: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Finds the format chunk, its size, and the chunk of the samples; position 0 if absent."""
    length = tf.strings.length(contents)

    def more(at: tf.Tensor, _layout: tf.Tensor, _size: tf.Tensor, data: tf.Tensor) -> tf.Tensor:
        return (data == 0) & (at + 8 <= length) & (at > 0)

    def step(
        at: tf.Tensor, layout: tf.Tensor, layout_bytes: tf.Tensor, data: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        name, size = tf.strings.substr(contents, at, 4), _little(contents, at + 4, 4)
        is_layout = (name == b"fmt ") & (size >= 16) & (size <= length)
        layout = tf.where(is_layout, at, layout)
        layout_bytes = tf.where(is_layout, size, layout_bytes)
        data = tf.where((name == b"data") & (layout > 0), at, data)
        # A size that does not fit ends the walk (and must not overflow the position).
        following = tf.where((size >= 0) & (size <= length), at + 8 + size + size % 2, 0)
        return following, layout, layout_bytes, data

    return tf.while_loop(more, step, (12, 0, 0, 0))[1:]


def _wav_data_bytes(contents: tf.Tensor, data: tf.Tensor, *, frame_bytes: tf.Tensor) -> tf.Tensor:
    """Returns the size of the samples whose chunk begins at `data`, int32 scalar.

    The size in the header may be unknown or a few bytes too large, see `containers.damage`.
    As in libsndfile, a size of 0 is unknown if the size of the whole file is given as 8.
    """
    size = _little_64(contents, data + 4, 4)
    found = tf.cast(tf.strings.length(contents) - data - 8, tf.int64)
    open_sizes = tf.constant(containers.OPEN_SIZES, tf.int64)
    is_open = tf.reduce_any(tf.abs(size - open_sizes) <= containers.OPEN_SIZE_TOLERANCE)
    is_whole = found % tf.cast(tf.maximum(frame_bytes, 1), tf.int64) == 0
    is_inexact = (size - found <= containers.LARGEST_SIZE_ERROR) & is_whole
    never_closed = (size == 0) & (_little_64(contents, 4, 4) == 8)
    size = tf.where(is_open | is_inexact, tf.minimum(size, found), size)
    size = tf.where(never_closed, found, size)
    return _int32(tf.minimum(size, tf.int32.max))


def _decode_flac(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    packed = _big(contents, 18, 4)
    rate, bits = _field(packed, 12, 20), _field(packed, 4, 5) + 1
    total = _field(packed, 0, 4) * 2**32 + _big(contents, 22, 4)
    known = bits == tf.constant(_FLAC_BITS, tf.int64)
    contents = _require(
        (tf.strings.length(contents) >= 42) & tf.reduce_any(known) & (rate > 0) & (total > 0),
        "a FLAC file of 8, 16 or 24-bit samples that says its length expected",
        contents,
        bits,
        total,
    )
    expected = "a FLAC file with all the samples that it promises expected"
    if tfio is None:
        audio = _decoded("flac", contents)
        found = tf.shape(audio, out_type=tf.int64)[0]
        return _require(found >= total, expected, audio, total, found), _int32(rate)
    marked = flac_marker.append(contents, total=total, channels=_field(packed, 9, 3) + 1, bits=bits)
    audio = tf.switch_case(
        tf.argmax(tf.cast(known, tf.int32), output_type=tf.int32),
        [
            lambda dtype=dtype: _decoded("flac", marked, dtype)
            for dtype in (tf.uint8, tf.int16, tf.int32)
        ],
    )
    is_whole = tf.reduce_all(audio[-flac_marker.SAMPLES :] == flac_marker.LEVEL)
    return _require(is_whole, expected, audio[: -flac_marker.SAMPLES], total), _int32(rate)


def _decode_vorbis(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    start = 27 + _little(contents, 26, 1)
    length = tf.strings.length(contents)
    is_vorbis = (length >= _FIRST_PAGE_BYTES) & _starts_with(contents, b"\x01vorbis", at=start)
    contents = _require(is_vorbis, "Ogg with a Vorbis stream expected", contents)
    rate = _little(contents, start + 12, 4)
    is_last, total = _last_ogg_page(contents)
    expected = "an Ogg file that reaches its last page expected"
    audio = _decoded("vorbis", _require(is_last & (rate > 0), expected, contents))
    found = tf.shape(audio)[0]
    expected = "an Ogg file with all the samples that it promises expected"
    return _require(found >= total, expected, audio, total, found), rate


def _last_ogg_page(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Tells whether the last page is whole and marked so, and the samples up to its end."""
    start = tf.maximum(0, tf.strings.length(contents) - _OGG_TAIL_BYTES)
    tail = tf.io.decode_raw(tf.strings.substr(contents, start, _OGG_TAIL_BYTES), tf.uint8)
    names = tf.signal.frame(tf.cast(tail, tf.int32), 4, 1)
    pages = tf.where(tf.reduce_all(names == tuple(b"OggS"), axis=1))[:, 0]
    page = tail[tf.reduce_max(tf.concat([pages, [0]], axis=0)) :]
    page = tf.pad(tf.cast(page, tf.int32), [[0, 27]])
    lacing = page[27 : 27 + page[26]]
    whole = tf.size(page) - 27 >= 27 + page[26] + tf.reduce_sum(lacing)
    total = tf.reduce_sum(page[6:9] * [1, 1 << 8, 1 << 16]) + page[9] % 128 * (1 << 24)
    return whole & (page[5] // 4 % 2 == 1), total


def _decode_mp3(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    tag_bytes = 10 + tf.add_n([_big(contents, 6 + i, 1) * 2 ** (21 - 7 * i) for i in range(4)])
    head = _big(contents, tf.where(_starts_with(contents, b"ID3"), _int32(tag_bytes), 0), 4)
    version, layer, rate_index = _field(head, 19, 2), _field(head, 17, 2), _field(head, 10, 2)
    valid = (_field(head, 21, 11) == 0x7FF) & (version != 1) & (layer == 1) & (rate_index != 3)
    contents = _require(valid, "an MP3 file that starts with a layer III frame expected", contents)
    divisor = tf.gather(tf.constant(_MP3_VERSION_DIVISORS, tf.int64), version)
    rate = tf.gather(tf.constant(_MP3_RATES, tf.int64), rate_index) // divisor
    return _decoded("mp3", contents), _int32(rate)


def _decoded(kind: str, contents: tf.Tensor, dtype: tf.DType | None = None) -> tf.Tensor:
    """Decodes a whole file of samples stored in `dtype` to float32 [samples, channels]."""
    if tfio is None:
        # Not `tf.numpy_function`, which takes the zeros off the end of bytes in eager mode.
        audio = tf.py_function(_read, [contents], tf.float32)
        audio.set_shape([None, None])
        return audio
    storage = {} if dtype is None else {"dtype": dtype}
    return _unit(getattr(tfio.audio, f"decode_{kind}")(contents, **storage))


def _read(contents: tf.Tensor) -> np.ndarray:
    try:
        return soundfile.read(io.BytesIO(contents.numpy()), dtype="float32", always_2d=True)[0]
    except soundfile.LibsndfileError as error:
        # TensorFlow makes an InvalidArgumentError of a ValueError.
        raise ValueError(f"A file that can be decoded expected. Received: {error}") from error


def _require(
    condition: tf.Tensor, expected: str, value: tf.Tensor, *received: tf.Tensor
) -> tf.Tensor:
    """Returns `value`, which nothing can use before `condition` has been found true."""
    data = [expected + ". Received:", *received] if received else [expected]
    with tf.control_dependencies([tf.debugging.Assert(condition, data)]):
        return tf.identity(value)


def _big(contents: tf.Tensor, at: int | tf.Tensor, count: int) -> tf.Tensor:
    """Reads `count` <= 7 bytes from `at` as a big-endian number, int64; zeros past the end."""
    at = tf.minimum(at, tf.strings.length(contents))
    part = tf.strings.substr(contents, at, count)
    digits = tf.cast(tf.io.decode_raw(part, tf.uint8, fixed_length=count), tf.int64)
    return tf.reduce_sum(digits * [256 ** (count - 1 - i) for i in range(count)])


def _little(contents: tf.Tensor, at: int | tf.Tensor, count: int) -> tf.Tensor:
    """Reads `count` <= 4 bytes from `at` as a little-endian number, int32; zeros past the end."""
    return _int32(_little_64(contents, at, count))


def _little_64(contents: tf.Tensor, at: int | tf.Tensor, count: int) -> tf.Tensor:
    """Reads `count` <= 7 bytes from `at` as a little-endian number, int64; zeros past the end."""
    at = tf.minimum(at, tf.strings.length(contents))
    part = tf.strings.substr(contents, at, count)
    digits = tf.cast(tf.io.decode_raw(part, tf.uint8, fixed_length=count), tf.int64)
    return tf.reduce_sum(digits * [256**i for i in range(count)])


def _field(value: tf.Tensor, low: int, width: int) -> tf.Tensor:
    """Extracts the `width` bits of an integer from bit `low` on."""
    return value // 2**low % 2**width


def _int32(value: tf.Tensor) -> tf.Tensor:
    return tf.cast(value, tf.int32)


def _starts_with(contents: tf.Tensor, prefix: bytes, *, at: int | tf.Tensor = 0) -> tf.Tensor:
    at = tf.minimum(at, tf.strings.length(contents))
    return tf.strings.substr(contents, at, len(prefix)) == prefix


def _raw(samples: tf.Tensor, dtype: tf.DType, channels: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.io.decode_raw(samples, dtype), [-1, channels])


def _unit(samples: tf.Tensor) -> tf.Tensor:
    """Converts samples [samples, channels] of any storage type to float32, full scale at 1."""
    if samples.dtype == tf.uint8:
        return tf.cast(samples, tf.float32) / 128.0 - 1.0
    if samples.dtype.is_floating:
        return tf.cast(samples, tf.float32)
    return tf.cast(tf.cast(samples, tf.float64) / -float(samples.dtype.min), tf.float32)
