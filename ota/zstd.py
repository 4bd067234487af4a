"""Zstandard with a known length on both sides. The only importer of `zstandard` (BSD-3-Clause)."""

from __future__ import annotations

import zstandard

from ota.errors import Refused

LEVEL = 9
# No more memory than this for the history that a frame may look back on.
WINDOW_BYTES_MAX = 32 << 20
# A large old file is found again only when the tables hold a place for nearly each of its bytes.
TABLE_LOG_MIN, TABLE_LOG_MAX, SEARCH_LOG = 17, 25, 5


def packed(data: bytes, old: bytes = b"") -> bytes:
    """One frame that holds its length; `old` is what the reader has already (a delta then)."""
    against = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=against if old else None)
    return compressor.compress(data)


def patched(data: bytes, old: bytes) -> bytes:
    """Like `packed`, for up to 32 MiB against up to 64 MiB, with all the memory that takes."""
    if not old:
        return packed(data)
    bits = min(max((len(data) + len(old)).bit_length(), TABLE_LOG_MIN), TABLE_LOG_MAX)
    settings = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, source_size=len(data), dict_size=len(old), window_log=bits, hash_log=bits - 1,
        chain_log=bits, search_log=SEARCH_LOG)
    against = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    compressor = zstandard.ZstdCompressor(compression_params=settings, dict_data=against)
    return compressor.compress(data)


def unpacked(data: bytes, length_bytes: int, old: bytes = b"") -> bytes:
    """Exactly `length_bytes` bytes out of one frame.

    Raises Refused for anything else; the length is judged before memory is taken, so a frame that
    swells to gigabytes costs nothing.
    """
    try:
        told = zstandard.get_frame_parameters(data)
        if told.content_size != length_bytes or told.window_size > WINDOW_BYTES_MAX:
            raise Refused(
                f"A packed block unpacks to another length than the {length_bytes} bytes signed "
                "for it; publish again."
            )
        against = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        reader = zstandard.ZstdDecompressor(dict_data=against if old else None)
        found = reader.decompress(data, max_output_size=length_bytes, allow_extra_data=False)
    except (zstandard.ZstdError, ValueError) as error:
        raise Refused(f"A packed block is damaged ({error}); publish again.") from error
    if len(found) != length_bytes:
        raise Refused("A packed block is shorter than what was signed; publish again.")
    return found
