"""Lines of text out of files, whatever their compression and encoding; a file may even hold two encodings."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from ems_ml.errors import InputError, UsageError
from ems_ml.ingest.files import encoding_of
from ems_ml.ingest.tables.types import MOST_CHARACTERS, Remark

HEAD = 65_536  # bytes that tell what a file is
OLD = "cp1252"  # what text that is no UTF-8 mostly is; the five bytes that it lacks are read as Latin-1
NOT_UTF8 = "not UTF-8, read as Windows-1252"
_ARCHIVES = {b"PK\x03\x04": "a zip archive or an Excel file", b"SQLite format 3": "a database"}
BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError)  # what a compressed file that is damaged raises


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end, and what is to be told about it ("" for nothing)."""

    number: int
    text: str
    remark: str = ""


def opened(path: Path) -> BinaryIO:
    """The content of a file that may be gzip, bzip2, xz or zstd, told by its first bytes. Raises `InputError`."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
        for magic, what in _ARCHIVES.items():
            if start.startswith(magic):
                raise InputError(f"{path} is {what}", hint="unpack it, or save it as CSV or Parquet")
        if start.startswith(b"\x1f\x8b"):
            return cast(BinaryIO, gzip.open(path))
        if start.startswith(b"BZh"):
            return cast(BinaryIO, bz2.open(path))
        if start.startswith(b"\xfd7zXZ\x00"):
            return cast(BinaryIO, lzma.open(path))
        if start.startswith(b"\x28\xb5\x2f\xfd"):
            return cast(BinaryIO, io.BufferedReader(_Zstd(path)))
        return path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", hint="name a file or folder that exists") from error


class _Zstd(io.RawIOBase):
    """A zstd file as a stream; the library's own says nothing of one that is cut off."""

    def __init__(self, path: Path) -> None:
        import zstandard

        self._file = path.open("rb")
        self._new = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj
        self._frame = self._new()
        self._ready = b""
        self._broken: type[Exception] = zstandard.ZstdError

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            part = self._file.read(HEAD)
            if not part:
                if not self._frame.eof:
                    raise EOFError("its end is missing")
                return 0
            while part:
                if self._frame.eof:
                    self._frame = self._new()
                try:
                    self._ready += self._frame.decompress(part)
                except self._broken as error:
                    raise EOFError(str(error)) from error
                part = self._frame.unused_data if self._frame.eof else b""
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


def known(encoding: str | None) -> str | None:
    """`encoding`, where Python knows it. Raises `UsageError`."""
    try:
        "".encode(encoding or "utf-8")
    except LookupError as error:
        raise UsageError(f"there is no encoding {encoding!r}", hint="one that Python knows: cp1252, utf-16") from error
    return encoding


def head_of(path: Path) -> bytes:
    """The first bytes of a file's content. Raises `InputError`, also for a compressed file whose start is damaged."""
    try:
        with opened(path) as stream:
            return stream.read(HEAD)
    except BROKEN as error:
        raise InputError(f"{path} cannot be read: {error}", hint="give it again whole") from error


def lines(path: Path, *, encoding: str | None = None) -> Iterator[Line | Remark]:
    """The lines of a text file, one at a time.

    encoding: what was told; None: by the byte order mark, else UTF-8, and a line that is none is read as Windows-1252
    with a remark. A line that is too long, and the rest of a file that is cut off, are remarks. Raises `InputError`
    where nothing in the file is text.
    """
    head = head_of(path)
    guessed, mark = encoding_of(head, name=str(path))
    name = encoding or guessed
    wide = "16" in name or "32" in name
    number = 0
    with opened(path) as stream:
        stream.read(mark)
        source = io.TextIOWrapper(stream, name, errors="replace", newline="\n") if wide else stream
        try:
            while part := source.readline(MOST_CHARACTERS):
                number += 1
                text, remark = (part, "") if isinstance(part, str) else _decoded(part, encoding)
                if len(part) == MOST_CHARACTERS and not text.endswith("\n"):
                    while (rest := source.readline(MOST_CHARACTERS)) and not rest.endswith(
                        "\n" if isinstance(rest, str) else b"\n"  # type: ignore[arg-type]
                    ):
                        pass
                    yield Remark(number, f"longer than {MOST_CHARACTERS:,} characters")
                    continue
                yield Line(number, text.rstrip("\r\n"), remark)
        except BROKEN as error:
            yield Remark(number + 1, f"the file is damaged from here on: {error}")


def _decoded(data: bytes, encoding: str | None) -> tuple[str, str]:
    """A line's text, and what is to be told."""
    try:
        return data.decode(encoding or "utf-8"), ""
    except UnicodeDecodeError:
        if encoding is not None:
            return data.decode(encoding, errors="replace"), f"not all of it is {encoding}"
    try:
        return data.decode(OLD), NOT_UTF8
    except UnicodeDecodeError:
        return data.decode("latin-1"), NOT_UTF8
