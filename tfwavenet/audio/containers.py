"""What an audio file promises about its own length, read from its container.

libsndfile silently shortens WAV, AIFF and Ogg files that were cut off; these checks find them.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

_UNKNOWN_LENGTHS = (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
_OGG_HEADER_BYTES = 27
_OGG_LAST_PAGE_FLAG = 4
_LONGEST_OGG_PAGE = 65307
_LARGEST_MP3_LENGTH_OFFSET = 64


def truncation(path: str) -> str | None:
    """How the file falls short of what its header promises, in words; None where it does not.

    Args:
        path: an existing file of any kind. WAV (RIFF, RIFX, RF64), AIFF and Ogg are looked into.

    Returns:
        e.g. "96000 bytes of samples expected, 4000 found", or None.
    """
    with open(path, "rb") as file:
        start = file.read(12)
        if start[:4] in (b"RIFF", b"RIFX", b"RF64") and start[8:12] == b"WAVE":
            order = ">" if start[:4] == b"RIFX" else "<"
            return _missing_samples(file, name=b"data", order=order)
        if start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
            return _missing_samples(file, name=b"SSND", order=">")
        if start[:4] == b"OggS":
            return _missing_last_page(file)
    return None


def promises_mp3_length(path: str) -> bool:
    """Whether an MP3 file says its exact length (a Xing, Info or VBRI header in its first frame).

    Args:
        path: an existing MP3 file.
    """
    with open(path, "rb") as file:
        start = file.read(10).ljust(10, b"\0")
        tag_bytes = 0
        if start[:3] == b"ID3":
            tag_bytes = 10 + sum(byte << (21 - 7 * i) for i, byte in enumerate(start[6:10]))
        file.seek(tag_bytes)
        first_frame = file.read(_LARGEST_MP3_LENGTH_OFFSET)
    return any(name in first_frame for name in (b"Xing", b"Info", b"VBRI"))


def _missing_samples(file: BinaryIO, *, name: bytes, order: str) -> str | None:
    """Walk the chunks of a RIFF-like file and compare the size of the samples' chunk."""
    size_on_disk = os.fstat(file.fileno()).st_size
    promised_64 = None
    position = 12
    while position + 8 <= size_on_disk:
        file.seek(position)
        chunk, size = struct.unpack(order + "4sI", file.read(8))
        if chunk == b"ds64":
            promised_64 = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))[1]
        if chunk == name:
            promised = promised_64 if size == _UNKNOWN_LENGTHS[0] else size
            found = size_on_disk - position - 8
            if promised is None or promised in _UNKNOWN_LENGTHS or promised <= found:
                return None
            return f"{promised} bytes of samples expected, {found} found"
        position += 8 + size + size % 2
    return None


def _missing_last_page(file: BinaryIO) -> str | None:
    """Find the last Ogg page that starts in the file: it must be whole and marked as the last."""
    size_on_disk = os.fstat(file.fileno()).st_size
    start = max(0, size_on_disk - 2 * _LONGEST_OGG_PAGE)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"OggS")
    page = tail[at:]
    if at < 0 or len(page) < _OGG_HEADER_BYTES or len(page) < _OGG_HEADER_BYTES + page[26]:
        return "the last page is cut off"
    body = sum(page[_OGG_HEADER_BYTES : _OGG_HEADER_BYTES + page[26]])
    if len(page) < _OGG_HEADER_BYTES + page[26] + body:
        return "the last page is cut off"
    if not page[5] & _OGG_LAST_PAGE_FLAG:
        return "the page that ends the stream is missing"
    return None
