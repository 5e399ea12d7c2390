"""Version 1 of the rules that decide what of an error may count as identity. Frozen once released.

A change here would move events between patterns on every installation; the next rules are a new file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from ems_ml.source.shapes import shape, words
from ems_ml.types import ErrorEvent, Frame, FrameKey, Role, Signature

MAX_FRAMES = 40  # nearest the raise point; the rest is never identity
MAX_MESSAGE = 500
MAX_TEXT_FRAMES = 12

#: Quoted words that follow these decide what went wrong, so they stay in the template.
_NAMED = (
    r"(?:attribute|argument|arguments|name|module|variable|method|function|type|key|field|property|keyword|class"
    r"|object|from|parameter|operand|named|instances? of)s?:?\s+"
)
#: Names of the language's own types decide wherever they are quoted.
_TYPES = (
    r"(?:NoneType|int|float|complex|bool|str|bytes|bytearray|list|tuple|dict|set|frozenset|range|slice|type|function"
    r"|method|module|generator|coroutine|ellipsis|object|property|builtin_function_or_method)"
)
_VARIABLE = re.compile(
    r"(?P<keep>(?:" + _NAMED + r")['\"`][\w.]{1,80}['\"`])"
    r"|(?P<property>\((?:reading|setting|evaluating) ['\"][\w$.]{1,80}['\"]\))"
    r"|(?P<own>['\"]" + _TYPES + r"['\"])"
    r"|(?P<owner>['\"][A-Za-z_][\w.]{0,80}['\"](?=\s+(?:object|and|instance|is not|has no|must|missing)))"
    r"|(?P<email>[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,5})"
    r"|(?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s'\"<>]{1,2000})"
    r"|(?P<uuid>\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b)"
    r"|(?P<date>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)"
    r"|(?P<time>\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b)"
    r"|(?P<ip>\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b)"
    r"|(?P<hex>\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{16,128}\b)"
    r"|(?P<path>(?:[A-Za-z]:)?(?:[\\/][\w.@ +-]{1,100}){2,30})"
    r"|(?P<str>'[^'\n]{0,300}'|\"[^\"\n]{0,300}\")"
    r"|(?P<duration>\b\d+(?:\.\d+)?\s?(?:ns|us|ms|s|sec|secs|seconds|minutes|min|h|hours)\b)"
    r"|(?P<float>[-+]?\b\d+\.\d+(?:[eE][-+]?\d+)?\b)"
    r"|(?P<int>[-+]?\b\d+\b)"
)

_ROOTS = re.compile(r".*(?:site-packages|dist-packages|lib(?:64)?/python\d\.\d+|python\d+/lib)/", re.IGNORECASE)
_GENERATED = re.compile(r"(?<=[A-Za-z_])_?\d{2,}$")


class NormalizerV1:
    """ErrorEvent -> Signature, by the rules of version 1. Pure: equal events give equal signatures everywhere.

    >>> from ems_ml.types import ErrorEvent, ExceptionRecord
    >>> event = ErrorEvent(id="1", error=ExceptionRecord(type="app.Bad", message="order 17 of 'ana' is late"))
    >>> NormalizerV1().normalize(event).template
    'order <int> of <str> is late'
    """

    version = "v1"

    def normalize(self, event: ErrorEvent) -> Signature:
        """The signature of a redacted event. Never raises on a well-typed event."""
        error = event.error
        own = _own_frames(error.frames)
        in_test = bool(error.frames) and not any(f.role not in (Role.TEST, Role.RUNNER) for f in error.frames)
        frames = tuple(_key(frame) for frame in own)
        template = template_of(event.template or error.message)
        kinds = (error.short_type, *(record.short_type for record in event.chain))
        return Signature(
            version=self.version,
            language=event.language,
            type=error.short_type,
            types=kinds,
            message=error.message[:MAX_MESSAGE],
            template=template,
            frames=frames,
            exact=_exact(event, error.short_type, frames, template),
            text=_text(kinds, template, frames),
            in_test=in_test,
            scope=_scope(event),
        )


def template_of(message: str) -> str:
    """The message with its variable parts replaced by placeholders; the words that decide stay.

    >>> template_of("'NoneType' object has no attribute 'city'")
    "'NoneType' object has no attribute 'city'"
    >>> template_of("could not convert string to float: '12,5' at 0x7f3a2b")
    'could not convert string to float: <str> at <hex>'
    """
    text = " ".join(message[: 4 * MAX_MESSAGE].split())

    def placeholder(match: re.Match[str]) -> str:
        kind = str(match.lastgroup)
        return match.group() if kind in ("keep", "property", "own", "owner") else f"<{kind}>"

    return _VARIABLE.sub(placeholder, text)[:MAX_MESSAGE]


def file_of(frame: Frame) -> str:
    """Where a frame's file stands, the same on every machine: from the package on where it is installed,
    else its folder and name, since nobody knows where the project's root is.
    """
    if frame.file.startswith("<"):
        return frame.file.split(" ")[0][:60]
    path = frame.file.replace("\\", "/")
    below = _ROOTS.sub("", path, count=1) if "/" in path else path
    if below != path:
        return "/".join(below.split("/")[-4:])
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    if frame.module and frame.module not in ("__main__", "builtins"):
        depth = frame.module.count(".") + (2 if parts and parts[-1] == "__init__.py" else 1)
        return "/".join(parts[-min(depth, 2) :])
    return "/".join(parts[-2:])


def function_of(frame: Frame) -> str:
    """The function's own name: without `<locals>`, class path and generated numbers."""
    name = frame.function.replace("<locals>.", "").rsplit(".", 1)[-1]
    return _GENERATED.sub("", name)


def _key(frame: Frame) -> FrameKey:
    code = frame.code or ""
    return FrameKey(
        file=file_of(frame),
        function=function_of(frame),
        role=frame.role,
        in_app=frame.in_app,
        shape=frame.shape if frame.shape is not None else shape(code),
        words=frame.words if frame.words is not None else words(code),
    )


def _own_frames(frames: Sequence[Frame]) -> list[Frame]:
    """What may decide: neither runner nor test (unless nothing else is there), recursion folded, deepest last."""
    kept = [f for f in frames if f.role not in (Role.TEST, Role.RUNNER) and "opentelemetry/" not in f.file]
    kept = kept or [f for f in frames if f.role is Role.TEST] or list(frames)
    return _fold(kept)[-MAX_FRAMES:]


def _fold(frames: Sequence[Frame]) -> list[Frame]:
    """Drops the repetitions of cycles of up to four frames."""
    folded: list[Frame] = []
    places: list[tuple[str, str]] = []
    for frame in frames:
        folded.append(frame)
        places.append((frame.file, frame.function))
        for length in range(1, 5):
            if len(places) >= 2 * length and places[-length:] == places[-2 * length : -length]:
                del places[-length:]
                # The later copy is kept: the raise point is in it.
                del folded[-2 * length : -length]
                break
    return folded


def _exact(event: ErrorEvent, kind: str, frames: Iterable[FrameKey], template: str) -> str:
    in_app = [f for f in frames if f.in_app]
    deciding = in_app or list(frames)
    parts = ["v1", event.language, kind, *(f"{f.file}:{f.function}" for f in deciding)]
    if deciding:
        # The line that raised tells two faults in one function apart, and does not shift as line numbers do.
        parts.append(" ".join(deciding[-1].shape))
    # What is said decides with the place: one function may raise one type for two reasons.
    parts.append(template)
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _scope(event: ErrorEvent) -> str:
    own = event.own_fingerprint
    if not own:
        return ""
    parts = ["within" if event.by_default else "instead", *own]
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:16]


def _text(kinds: Sequence[str], template: str, frames: Sequence[FrameKey]) -> str:
    lines = [" ".join(kinds), template]
    for frame in reversed(frames[-MAX_TEXT_FRAMES:]):
        lines.append(f"{frame.file} {frame.function} {' '.join(frame.words)} | {' '.join(frame.shape)}")
    return "\n".join(lines)
