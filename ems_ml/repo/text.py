"""Source files as text and back, byte for byte where nothing changed: encoding, BOM and line ends are kept."""

from __future__ import annotations

import codecs
import io
import re
import tokenize
from dataclasses import dataclass

_LONE_LF = re.compile(r"(?<!\r)\n")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file's text with what is needed to write it back."""

    text: str  # line ends as they stand in the file; without a BOM
    encoding: str
    bom: bytes = b""

    def encode(self, text: str) -> bytes:
        """`text` as bytes of this file. Where all of its lines end with CRLF, those of `text` do too.

        Raises `UnicodeEncodeError` where the file's encoding has no such character.
        """
        text = text.removeprefix("\ufeff")
        if "\r\n" in self.text and not _LONE_LF.search(self.text):
            text = _LONE_LF.sub("\r\n", text)
        return self.bom + text.encode(self.encoding)


def decode(data: bytes) -> Decoded | None:
    """The text of a source file, by its BOM or coding line, else UTF-8; None where it is not text."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        bom = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
        plain = "utf-8" if encoding == "utf-8-sig" else encoding
        return Decoded(data[len(bom) :].decode(plain), plain, bom)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return None
