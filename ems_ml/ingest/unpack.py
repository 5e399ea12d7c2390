"""Decompression that stops at a limit while it runs, so that a small body cannot fill the memory."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

from ems_ml.errors import InputError, TooLarge

_CHUNK = 1 << 16


class _Stream(Protocol):
    """What zlib, bz2 and lzma share."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


def decompress(body: bytes, encoding: str, *, limit: int) -> bytes:
    """`body` without its `Content-Encoding`: gzip, deflate (zlib or raw), br, zstd, or none; of several, all.

    Raises `TooLarge` as soon as more than `limit` bytes come out, `InputError` where the body is broken, cut
    off, or in an encoding that is not known.
    """
    names = [name.strip().lower() for name in encoding.split(",") if name.strip()]
    if len(names) > 3:
        raise InputError("more than three content encodings", hint="compress a body once")
    for name in reversed(names):
        if name in ("identity", ""):
            continue
        if name not in _DECODERS:
            raise InputError(f"unknown content encoding {name!r}", hint=f"use one of {', '.join(_DECODERS)}, or none")
        body = _DECODERS[name](body, limit)
    if len(body) > limit:
        raise _too_large(limit)
    return body


def unpack_file(data: bytes, *, limit: int) -> bytes:
    """The content of a file that may be gzip, bzip2 or xz, told by its first bytes."""
    for magic, decoder in ((b"\x1f\x8b", _gzip), (b"BZh", _bzip2), (b"\xfd7zXZ\x00", _xz)):
        if data.startswith(magic):
            return decoder(data, limit)
    return data


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"more than {limit} bytes when unpacked", hint="send less at once")


def _broken(name: str, error: object) -> InputError:
    return InputError(f"the {name} data is broken or cut off: {error}", hint="send it again whole")


def _zlib(body: bytes, limit: int, wbits: int, name: str) -> bytes:
    """One or several zlib streams after each other."""
    out = bytearray()
    rest = body
    while True:
        stream = zlib.decompressobj(wbits)
        try:
            out += stream.decompress(rest, limit + 1 - len(out))
        except zlib.error as error:
            raise _broken(name, error) from error
        if len(out) > limit:
            raise _too_large(limit)
        if not stream.eof:
            raise _broken(name, "its end is missing")
        rest = stream.unused_data
        if not rest or wbits != 31 or not rest.startswith(b"\x1f\x8b"):
            return bytes(out)


def _gzip(body: bytes, limit: int) -> bytes:
    return _zlib(body, limit, 31, "gzip")


def _deflate(body: bytes, limit: int) -> bytes:
    """By RFC 9110 zlib's form; some clients send the raw one."""
    try:
        return _zlib(body, limit, 15, "deflate")
    except TooLarge:
        raise
    except InputError:
        return _zlib(body, limit, -15, "deflate")


def _brotli(body: bytes, limit: int) -> bytes:
    import brotli

    stream = brotli.Decompressor()
    out = bytearray()
    data = body
    try:
        while not stream.is_finished():
            part = stream.process(data, output_buffer_limit=max(_CHUNK, 1))
            data = b""
            out += part
            if len(out) > limit:
                raise _too_large(limit)
            if not part and stream.can_accept_more_data() and not stream.is_finished():
                raise _broken("br", "its end is missing")
    except brotli.error as error:
        raise _broken("br", error) from error
    return bytes(out)


def _zstd(body: bytes, limit: int) -> bytes:
    import zstandard

    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
            io.BytesIO(body), read_across_frames=True
        ) as reader:
            out = bytearray()
            while part := reader.read(_CHUNK):
                out += part
                if len(out) > limit:
                    raise _too_large(limit)
    except zstandard.ZstdError as error:
        raise _broken("zstd", error) from error
    if not out and body:
        raise _broken("zstd", "nothing came out")
    return bytes(out)


def _bzip2(body: bytes, limit: int) -> bytes:
    stream = bz2.BZ2Decompressor()
    try:
        out = stream.decompress(body, limit + 1)
    except (OSError, ValueError) as error:
        raise _broken("bzip2", error) from error
    return _whole(stream, out, limit, "bzip2")


def _xz(body: bytes, limit: int) -> bytes:
    stream = lzma.LZMADecompressor(memlimit=256_000_000)
    try:
        out = stream.decompress(body, limit + 1)
    except lzma.LZMAError as error:
        raise _broken("xz", error) from error
    return _whole(stream, out, limit, "xz")


def _whole(stream: _Stream, out: bytes, limit: int, name: str) -> bytes:
    if len(out) > limit:
        raise _too_large(limit)
    if not stream.eof:
        raise _broken(name, "its end is missing")
    return out


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
