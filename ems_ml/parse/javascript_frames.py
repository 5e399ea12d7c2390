"""How single lines of JavaScript's stacks are written (V8, Firefox, Safari), and whose code they run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ems_ml.types import Frame, Role

_PLACE = re.compile(r"(?P<file>.*?):(?P<line>\d{1,9})(?::\d{1,9})?$")
_REST = r"(?P<rest>(?: \{|[,\]}\s]){0,20})$"
_V8 = re.compile(
    r"(?P<before>.{0,400}?)(?<![\w.$])at (?P<call>[^\s()@][^()]{0,300}?) \((?P<place>[^\n]{1,2000})\)" + _REST
)
_V8_BARE = re.compile(
    r"(?P<before>.{0,400}?)(?<![\w.$])at (?:async )?(?P<place>[A-Za-z./<~_@\[]"
    r"(?:[^()\n]{0,2000}:\d{1,9}:\d{1,9}|anonymous>))" + _REST
)
_SCHEME = (
    r"(?:https?|file|webpack(?:-internal)?|resource|chrome|app|capacitor|blob|(?:moz|safari(?:-web)?|chrome)-extension)"
)
_AT_SIGN = re.compile(
    r"(?<!\S)(?P<call>(?:global|eval|module) code|[^\s@()\"',;]{0,300})@"
    rf"(?P<place>(?:{_SCHEME}:/*[^\s()]+|/[^\s()@]+):\d{{1,9}}(?::\d{{1,9}})?|\[native code\])\s*$"
)
#: Firefox's console, copied: function, a space, place.
_CONSOLE = re.compile(
    rf"(?P<before>\s+)(?P<call>[\w$./<>*]{{1,200}}) (?P<place>{_SCHEME}://?[^\s()]+:\d{{1,9}}(?::\d{{1,9}})?)\s*$"
)
_EVAL = re.compile(r"eval at .*?\((?P<place>[^()]+:\d{1,9}:\d{1,9})\)")
_SPECIAL = frozenset({"native", "<anonymous>", "[native code]", "unknown location", "native code"})
MATCHING = re.compile(r"\s*\.{3} (?P<count>\d{1,9}) lines matching (?:cause )?stack trace")

_NAMES = r"[^\W\d][\w$]*(?:\.[^\W\d][\w$]*)*"
_INTRODUCED = (
    r"(?:Uncaught (?:\(in promise\) )?|Unhandled(?: Promise)? Rejection:? ?|\(node:\d+\) |\[cause\]: |\[error\]: "
    r"|UnhandledPromiseRejectionWarning: |error: Uncaught (?:\(in promise\) )?|Unhandled error: )*"
)
TYPE = re.compile(
    rf"(?P<indent>[\s\[]*)(?P<introduced>{_INTRODUCED})(?P<type>{_NAMES})(?: \[(?P<code>[A-Z][A-Z0-9_]{{2,80}})\])?"
    r"(?::(?: (?P<message>.*)|\s*)|\s*)$"
)
#: `... TypeError: no` behind a log's columns.
INSIDE = re.compile(
    r"(?<![\w.$/])(?P<type>(?:[A-Z][\w$]*)?(?:Error|Exception|Warning))(?: \[(?P<code>[A-Z][A-Z0-9_]{2,80})\])?"
    r": (?P<message>.*)$"
)
NAMED_SO = re.compile(r"(?:^|.*[a-z\d$_])(?:Error|Exception|Failure|Warning|Rejection)$|Error$")

_ALIAS = re.compile(r" \[as [^\]]*\]$")
_COUNTED = re.compile(r"(?<=[A-Za-z])\$\d+$")
_MODULES = re.compile(r"(?:^|/)(?:node_modules|bower_components|jspm_packages|\.pnpm|\.yarn)/")
_PACKAGE = re.compile(r".*(?:node_modules)/(?P<name>@[^/]+/[^/]+|[^/]+)")
_RUNNER = re.compile(
    r"@?(?:jest|vitest|mocha|jasmine|ava|tap|karma|cypress|playwright|qunit|nyc|c8|tape|uvu)(?:[/-].*)?$"
    r"|@web/test-runner"
)
_BUILT_IN = re.compile(r"(?:node:|internal/|ext:|deno:|bun:|native|wasm://)|<anonymous>$|\[native code\]$")
_BUNDLER = re.compile(
    r"webpack/(?:bootstrap|runtime)|\(webpack\)|(?:moz|safari(?:-web)?|chrome)-extension:|/vendors?[.~-]"
)
_NODE_OLD = frozenset(
    [
        "_http_client",
        "_http_server",
        "_http_common",
        "_http_outgoing",
        "_stream_readable",
        "_stream_writable",
        "_tls_wrap",
        "assert",
        "buffer",
        "child_process",
        "dgram",
        "dns",
        "domain",
        "events",
        "fs",
        "http",
        "https",
        "module",
        "net",
        "readline",
        "stream",
        "timers",
        "tls",
        "url",
        "util",
        "vm",
        "zlib",
    ]
)
_TEST = re.compile(r"\.(?:test|spec|e2e|cy)\.[cm]?[jt]sx?$|(?:^|/)(?:__tests__|__mocks__|tests)/")


@dataclass(frozen=True, slots=True)
class JsFrame:
    """A frame's line: what stood before it, the frame, and whether an object's properties follow (` {`)."""

    before: str
    frame: Frame
    opens: bool = False
    styled: str = "v8"


def js_frame(line: str) -> JsFrame | None:
    """The frame that `line` states, in the words of V8, Firefox or Safari."""
    if "at " in line:
        if line.rstrip()[-1:] in ")]},{" and (found := _V8.match(line)) and (frame := _placed(found)):
            return JsFrame(found["before"], frame, opens="{" in found["rest"])
        if found := _V8_BARE.match(line):
            frame = _placed(found)
            return JsFrame(found["before"], frame, opens="{" in found["rest"]) if frame else None
    if "@" in line and (found := _AT_SIGN.search(line)) and (frame := _placed(found)):
        return JsFrame(line[: found.start()], frame, styled="at")
    if "://" in line and (found := _CONSOLE.match(line)) and (frame := _placed(found)):
        return JsFrame(found["before"], frame, styled="console")
    return None


def _placed(found: re.Match[str]) -> Frame | None:
    """The frame of a match; None where its place is none."""
    place = found["place"].strip()
    call = canonical(found.groupdict().get("call") or "")
    if place.startswith("eval at "):
        inside = _EVAL.search(place)
        if inside is None:
            return None
        place = inside["place"]
    if place in _SPECIAL or place.startswith("index "):
        return Frame(file="" if place.startswith("index ") else place, function=call)
    place = place.removeprefix("address at ")
    at = _PLACE.match(place)
    if at is None or not at["file"]:
        return None
    return Frame(file=path_of(at["file"]), function=call, line=int(at["line"]))


def path_of(file: str) -> str:
    """A file as the project knows it: without a `file://`, what a server was asked beside it, and a bundler's hash.

    >>> path_of("file:///srv/shop/cart.mjs"), path_of("https://shop.example/static/app.js?v=3")
    ('/srv/shop/cart.mjs', 'https://shop.example/static/app.js')
    """
    if file.startswith("file://"):
        file = file.removeprefix("file://")
        if re.match(r"/[A-Za-z]:/", file):
            file = file[1:]
    if "?" in file and not file.startswith("?"):
        file = file.partition("?")[0]
    return file


def canonical(name: str) -> str:
    """A function's name without its alias, `async`, and numbers that a bundler gave.

    >>> canonical("async Cart.total [as price]"), canonical("new Order"), canonical("read$1")
    ('Cart.total', 'new Order', 'read')
    """
    name = _ALIAS.sub("", name.strip().removeprefix("async ").removeprefix("async*"))
    return _COUNTED.sub("", name)


def js_role(frame: Frame) -> Role:
    """Whose code a frame runs, judged from its file."""
    path = frame.file.replace("\\", "/")
    if _MODULES.search(path):
        package = _PACKAGE.match(path)
        return Role.RUNNER if package and _RUNNER.match(package["name"]) else Role.LIBRARY
    if not path or _BUILT_IN.match(path) or path.removesuffix(".js") in _NODE_OLD:
        return Role.STDLIB
    if _BUNDLER.search(path):
        return Role.LIBRARY
    return Role.TEST if _TEST.search(path) else Role.APP
