"""What Sentry's clients call a platform, and what its frames mean here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ems_ml.parse import go_frames, javascript_frames, jvm_frames, native_frames
from ems_ml.parse.frames import role_in
from ems_ml.parse.rust import rust_role
from ems_ml.types import Frame, Role

_LANGUAGES = {
    "": "python",
    "node": "javascript",
    "c": "native",
    "cocoa": "native",
    "objc": "native",
    "other": "text",
}
_RULES: dict[str, tuple[Callable[[str], str], Callable[[Frame], Role]]] = {
    "java": (jvm_frames.canonical, jvm_frames.jvm_role),
    "javascript": (javascript_frames.canonical, javascript_frames.js_role),
    "go": (go_frames.canonical, go_frames.go_role),
    "native": (native_frames.canonical, native_frames.native_role),
    "rust": (str, rust_role),
}


def language_of(platform: str) -> str:
    """The language of a platform, named as in a text's traces.

    >>> language_of("node"), language_of("ruby"), language_of("")
    ('javascript', 'ruby', 'python')
    """
    return _LANGUAGES.get(platform, platform)


def role_on(language: str, frame: Frame) -> tuple[Frame, Role]:
    """`frame` with its function named as a text's frame of this language is, and whose code it runs."""
    if language not in _RULES:
        return frame, role_in(frame)
    canonical, role = _RULES[language]
    function = canonical(frame.function)
    if frame.module and language in ("java", "go"):
        function = f"{canonical(frame.module)}.{function}"
    if language == "javascript":
        frame = replace(frame, file=javascript_frames.path_of(frame.file))
    frame = replace(frame, function=function)
    return frame, role(frame)
