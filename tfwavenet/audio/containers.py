"""Reads from the container of an audio file which length it promises.

libsndfile silently shortens files that were cut off or garbled. These checks find such files, where
the format promises a length; IRCAM, PAF, PVF and SD2 do not.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import BinaryIO

from tfwavenet.audio import promised_sizes

# Sizes of samples that stand for "until the end" in files that were written to a pipe: those of
# sox for AIFF; of sox, espeak and arecord for WAV; of ffmpeg. Writers round them down to whole
# frames or periods, or add a header.
OPEN_SIZES = (0x7F000000, 0x80000000, 0x100000000)
OPEN_SIZE_TOLERANCE = 1 << 16
# Samples in whole frames that lack no more bytes than a chunk's header has are not cut off: their
# writer counted the header or a pad byte.
LARGEST_SIZE_ERROR = 8
_UNKNOWN_LENGTH, _UNKNOWN_LENGTH_64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
_SSND_HEADER_BYTES = 8  # offset and size of blocks, which the size of the chunk includes
_OGG_HEADER_BYTES = 27
_OGG_LAST_PAGE_FLAG = 4
_LONGEST_OGG_PAGE = 65307
_MIRRORED_BYTES = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_LARGEST_MP3_LENGTH_OFFSET = 64


def damage(path: str) -> str | None:
    """Describes how a file falls short of what its container promises.

    In a shorter WAV or AIFF file, a size near 2 or 4 GiB stands for an unknown length. A size up to
    8 bytes too large is the writer's mistake, unless the last frame is cut. In both cases the
    samples go on to the end of the file.

    Args:
        path: an existing file of any kind. WAV (RIFF, RIFX, RF64), AIFF, Ogg, AU, CAF, Sony Wave64,
            IFF (SVX), NIST SPHERE, Creative Voice and AVR are checked.

    Returns:
        A phrase such as "a truncated file, 96000 bytes of samples expected, 4000 found", or None
        if the file is whole.
    """
    with open(path, "rb") as file:
        start = file.read(12)
        if start[:4] in (b"RIFF", b"RIFX", b"RF64") and start[8:12] == b"WAVE":
            order = ">" if start[:4] == b"RIFX" else "<"
            return _missing_samples(file, name=b"data", order=order)
        if start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
            return _missing_samples(file, name=b"SSND", order=">")
        if start[:4] == b"FORM" and start[8:12] in (b"8SVX", b"16SV"):
            return _missing_samples(file, name=b"BODY", order=">")
        if start[:4] == b"OggS":
            return _damaged_page(file)
        told = promised_sizes.promise(file)
        if told is None:
            return None
        return _shortfall(told.promised, told.found, is_cut=told.found % told.frame_bytes != 0)


def promises_mp3_length(path: str) -> bool:
    """Tells whether an MP3 file says its exact length, by a Xing, Info or VBRI header.

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
    """Walks the chunks of a RIFF-like file and compares the size of the samples' chunk."""
    size_on_disk = os.fstat(file.fileno()).st_size
    promised_64, frame_bytes = None, 1
    position = 12
    while position + 8 <= size_on_disk:
        file.seek(position)
        chunk, size = struct.unpack(order + "4sI", file.read(8))
        if chunk == b"ds64":
            promised_64 = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))[1]
        if chunk in (b"fmt ", b"COMM"):
            frame_bytes = _frame_bytes(chunk, file.read(16).ljust(16, b"\0"), order)
        if chunk == name:
            promised = promised_64 if size == _UNKNOWN_LENGTH else size
            extra = _SSND_HEADER_BYTES if name == b"SSND" else 0
            found = size_on_disk - position - 8
            is_cut = (found - extra) % frame_bytes != 0
            return None if promised is None else _shortfall(promised, found, is_cut=is_cut)
        position += 8 + size + size % 2
    return None


def _shortfall(promised: int, found: int, *, is_cut: bool) -> str | None:
    """Describes how the samples fall short of the promised bytes. If None, they do not."""
    if _goes_to_the_end(promised, found, is_cut=is_cut):
        return None
    return f"a truncated file, {promised} bytes of samples expected, {max(0, found)} found"


def _goes_to_the_end(promised: int, found: int, *, is_cut: bool) -> bool:
    """Tells whether no samples are missing, by the sizes in bytes and whether a frame is cut."""
    is_open = promised == _UNKNOWN_LENGTH_64 or any(
        abs(promised - size) <= OPEN_SIZE_TOLERANCE for size in OPEN_SIZES
    )
    is_inexact = promised - found <= LARGEST_SIZE_ERROR and not is_cut
    return promised <= found or is_open or is_inexact


def _frame_bytes(chunk: bytes, layout: bytes, order: str) -> int:
    """Returns the bytes of a sample of all channels, from the chunk that says the format."""
    if chunk == b"fmt ":
        frame_bytes = struct.unpack_from(order + "H", layout, 12)[0]
    else:
        channels, _, bits = struct.unpack_from(order + "hIh", layout)
        frame_bytes = channels * -(-bits // 8)
    return max(1, frame_bytes)


def _damaged_page(file: BinaryIO) -> str | None:
    """Walks the Ogg pages: each must be whole, with the right checksum, the last marked so."""
    position, is_last = 0, False
    while True:
        file.seek(position)
        page = file.read(_LONGEST_OGG_PAGE)
        lacing = page[_OGG_HEADER_BYTES : _OGG_HEADER_BYTES + (page[26] if len(page) > 26 else 0)]
        length = _OGG_HEADER_BYTES + len(lacing) + sum(lacing)
        if is_last and page[:4] != b"OggS":
            return None
        if not page or length > len(page):
            return f"a truncated file, the Ogg page at byte {position} is not whole"
        if page[:4] != b"OggS" or _ogg_checksum(page[:length]) != page[22:26]:
            return f"a corrupt file, the Ogg page at byte {position} is damaged"
        is_last = bool(page[5] & _OGG_LAST_PAGE_FLAG)
        position += length


def _ogg_checksum(page: bytes) -> bytes:
    """Computes the CRC of a page, whose own CRC field counts as zero: 4 bytes.

    Ogg shifts the other way than zlib (RFC 3533, section 6) and starts from zero. With the bits of
    every byte mirrored and the initial value undone, zlib gives the mirror image.
    """
    mirrored = (page[:22] + bytes(4) + page[26:]).translate(_MIRRORED_BYTES)
    crc = zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return crc.to_bytes(4, "big").translate(_MIRRORED_BYTES)
