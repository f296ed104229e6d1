"""Reads from the header of an audio file how many bytes of samples are to follow.

Of formats other than WAV and AIFF: AU, CAF, Sony Wave64, NIST SPHERE, Creative Voice and AVR.
"""

from __future__ import annotations

import os
import re
import struct
from typing import BinaryIO, NamedTuple, Optional

_W64_RIFF = bytes.fromhex("72696666 2e91cf11 a5d628db 04c10000")
_W64_CHUNK = bytes.fromhex("f3acd311 8cd100c0 4f8edb8a")  # follows the name of a chunk
_W64_HEADER_BYTES = 24  # name and size, which the size includes
_CAF_EDIT_COUNT_BYTES = 4
_AVR_HEADER_BYTES = 128
_NIST_HEADER_BYTES = 1024
# Bytes of a sample by the encoding of an AU file; of others frames cannot be told apart.
_AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}
_UNKNOWN = 0xFFFFFFFF


class Promise(NamedTuple):
    """Describes what a header says of the samples, and what follows the header.

    Attributes:
        promised: bytes of samples that the header promises.
        found: bytes up to the end of the file.
        frame_bytes: bytes of a sample of all channels, 1 where they are not told.
    """

    promised: int
    found: int
    frame_bytes: int = 1


def promise(file: BinaryIO) -> Optional[Promise]:
    """Reads how many bytes of samples a file should have.

    Args:
        file: file of any kind.

    Returns:
        The promise. If None, the format is another, or the header does not tell.
    """
    file.seek(0)
    start = file.read(32).ljust(32, b"\0")
    size = os.fstat(file.fileno()).st_size
    try:
        if start[:4] in (b".snd", b"dns."):
            return _au(start, size)
        if start[:4] == b"caff":
            return _caf(file, size)
        if start[:16] == _W64_RIFF:
            return _w64(file, size)
        if start[:7] == b"NIST_1A":
            return _nist(file, size)
        if start.startswith(b"Creative Voice File\x1a"):
            return _voc(file, start, size)
        if start[:4] == b"2BIT":
            return _avr(start, size)
    except struct.error:  # the header itself is cut off
        return Promise(1, 0)
    return None


def _au(start: bytes, size: int) -> Promise | None:
    order = ">" if start[:4] == b".snd" else "<"
    offset, promised, encoding, _, channels = struct.unpack_from(order + "5I", start, 4)
    if promised == _UNKNOWN:
        return None
    return Promise(promised, size - offset, max(1, _AU_BYTES.get(encoding, 1) * channels))


def _caf(file: BinaryIO, size: int) -> Promise | None:
    position, frame_bytes = 8, 1
    while position + 12 <= size:
        file.seek(position)
        chunk, length = struct.unpack(">4sq", file.read(12))
        if chunk == b"desc":
            frame_bytes = max(1, struct.unpack_from(">I", file.read(32), 16)[0])
        if chunk == b"data":
            found = size - position - 12 - _CAF_EDIT_COUNT_BYTES
            return (
                None if length < 0 else Promise(length - _CAF_EDIT_COUNT_BYTES, found, frame_bytes)
            )
        if length < 0:
            return None
        position += 12 + length
    return Promise(1, 0)  # it ends before its samples


def _w64(file: BinaryIO, size: int) -> Promise | None:
    position, frame_bytes = 40, 1
    while position + _W64_HEADER_BYTES <= size:
        file.seek(position)
        chunk, rest, length = struct.unpack("<4s12sQ", file.read(_W64_HEADER_BYTES))
        if rest != _W64_CHUNK or length < _W64_HEADER_BYTES:
            return None
        if chunk == b"fmt ":
            frame_bytes = max(1, struct.unpack_from("<H", file.read(16), 12)[0])
        if chunk == b"data":
            found = size - position - _W64_HEADER_BYTES
            return Promise(length - _W64_HEADER_BYTES, found, frame_bytes)
        position += (length + 7) // 8 * 8
    return Promise(1, 0)


def _nist(file: BinaryIO, size: int) -> Promise | None:
    file.seek(0)
    header = file.read(_NIST_HEADER_BYTES)
    fields = dict(re.findall(rb"^(\w+) -i (\d{1,18})\s*$", header, re.MULTILINE))
    names = (b"sample_count", b"channel_count", b"sample_n_bytes")
    if any(name not in fields for name in names):
        return None
    frames, channels, sample_bytes = (int(fields[name]) for name in names)
    length = re.match(rb"NIST_1A\s+(\d{1,9})", header)
    if length is None:
        return None
    frame_bytes = max(1, channels * sample_bytes)
    return Promise(frames * frame_bytes, size - int(length[1]), frame_bytes)


def _voc(file: BinaryIO, start: bytes, size: int) -> Promise | None:
    position = struct.unpack_from("<H", start, 20)[0]
    while position + 4 <= size:
        file.seek(position)
        kind, *length = file.read(4)
        if kind == 0:  # the end
            return None
        blocks = int.from_bytes(bytes(length), "little")
        if position + 4 + blocks > size:
            return Promise(blocks, size - position - 4)
        position += 4 + blocks
    return None


def _avr(start: bytes, size: int) -> Promise:
    stereo, bits = struct.unpack_from(">HH", start, 12)
    frames = struct.unpack_from(">I", start, 26)[0]
    frame_bytes = max(1, (2 if stereo else 1) * (bits // 8))
    return Promise(frames * frame_bytes, size - _AVR_HEADER_BYTES, frame_bytes)
