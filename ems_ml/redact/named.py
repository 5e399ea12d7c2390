"""Secrets that are known by the name before them: `password=...`, `"token": "..."`, `--api-key ...`.

What stands behind such a name is a secret only where it is a value: a call, an attribute, a type or a word
of prose (`password = get_password()`, `token: str`, `password: field required`) stays.
"""

from __future__ import annotations

import re

SECRET = "[secret]"

_WORD = (
    r"pass(?:word|wd|phrase|code)|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|auth[_-]?key"
    r"|encryption[_-]?key|signing[_-]?key|account[_-]?key|credential|session[_-]?id|sessid|csrf|signature"
    r"|authorization|cookie"
)
_NAMED = re.compile(
    rf"(?P<word>{_WORD})(?P<tail>[\w-]{{0,40}})(?P<close>\\{{0,4}}[\"'])?\]?"
    r"(?P<sep>[ \t]{0,4}(?:=>|:=|[=:](?!=)|(?<=[\"']),)[ \t]{0,4}|[ \t]+(?=[\"']))",
    re.IGNORECASE,
)
_OPTION = re.compile(r"(?<![\w-])(?P<name>--?\w[\w-]*)(?P<sep>[ =]|[\"'], ?[\"'])(?P<value>[^\s\"',]+)")
_OPTION_NAME = re.compile(rf"(?:{_WORD})(?:-(?!file|path|type|name|url)\w+)?$", re.IGNORECASE)
_HEADER = re.compile(
    r"(?P<scheme>\b(?:bearer|basic|digest|token|apikey) {1,3})(?P<value>[A-Za-z0-9._~+/=-]{8,})", re.IGNORECASE
)
_QUOTED = re.compile(r"(?P<kind>[bBrRuUfF]{0,2})(?P<quote>\\{0,4}[\"'])")
_BARE = re.compile(r"[^\s,;&\"'()\[\]{}<>]+")
#: What follows a name that only speaks about secrets: `token_type`, `password_field`, `tokenizer`.
_ABOUT = re.compile(
    r"(?:[a-rt-z]|s[a-z])"
    r"|[_-]?(?:count|types?|len|length|size|limit|max|min|fields?|name|names|url|uri|path|file|dir|class|expir\w*|ttl"
    r"|required|policy|reset|valid\w*|index|pos|position|start|end|error|errors|hint|label|prefix|algorithm|strength)$",
    re.IGNORECASE,
)
_KEPT_WORDS = frozenset(
    re.findall(
        r"\w+",
        "none null nil true false undefined nan str int bytes bool float object any optional list "
        "dict tuple type self cls string required missing invalid incorrect expired field must "
        "cannot not wrong failed error empty unknown rejected denied forbidden mismatch and or is "
        "was the a an this that unset default redacted filtered ",
    )
)
_COMPLAINT = re.compile(
    r"(?:unexpected|invalid|unknown|illegal|bad|expected|unrecognized|unterminated|next|last)\s+$", re.I
)
_PROSE = re.compile(r"[A-Z][\w',]*(?: [\w',()]+){2,}[.!?]?$|[a-z']+(?: [a-z']+){3,}[.!?]?$")
_HARMLESS = re.compile(r"[*xX.•]{2,}$|\[[A-Za-z]+\]$|<[^<>]*>$|%\(?\w*\)?[sdr]$|\$?\{[^{}]*\}$|\$\w+$|")
#: A line without an end is cut here, so that many names in it cost no square.
_LINE_CHARS = 20_000
_CLOSING = {"{": "}", "[": "]", "(": ")"}


def redact_named(text: str, *, code: bool) -> str:
    """`text` with each value behind a telling name replaced. In source code only literals are values."""
    parts: list[str] = []
    done = 0
    at = 0
    brackets = _Budget(2 * len(text) + 10_000)
    while found := _NAMED.search(text, at):
        at = max(found.end(), at + 1)
        end, value = _value(text, found, brackets, code=code)
        if end > found.end():
            parts += [text[done : found.end()], value]
            done = at = end
    parts.append(text[done:])
    text = "".join(parts)
    if not code:
        text = _OPTION.sub(_option, text)
    return _HEADER.sub(_header, text)


class _Budget:
    """How many characters may still be looked at inside brackets, so that nested ones cost no square."""

    def __init__(self, characters: int) -> None:
        self.left = characters


def _value(text: str, found: re.Match[str], brackets: _Budget, *, code: bool) -> tuple[int, str]:
    """Where the value of a name ends and what stands in its place; an end at its start keeps it."""
    start = found.end()
    word, tail, sep = found["word"].lower(), found["tail"], found["sep"].strip()
    keep = (start, "")
    if tail and _ABOUT.match(tail):
        return keep
    if sep == "" and (code or found["close"] or not word.startswith("pass")):
        return keep
    if sep == "," and (code or not found["close"]):
        return keep
    if word == "token" and _COMPLAINT.search(text[max(0, found.start() - 20) : found.start()]):
        return keep
    if quoted := _QUOTED.match(text, start):
        return _quoted(text, quoted, code=code, prose_allowed=True)
    if code:
        return keep
    if text[start : start + 1] in _CLOSING and not text.startswith(SECRET, start):
        return _bracketed(text, start, brackets) if word != "token" else keep
    if word in ("cookie", "authorization") and sep in (":", "="):
        return _line(text, start, found["close"])
    return _bare(text, start, word, found["sep"])


def _quoted(text: str, quoted: re.Match[str], *, code: bool, prose_allowed: bool) -> tuple[int, str]:
    quote, start = quoted["quote"], quoted.end()
    end = _closing_quote(text, start, quote)
    value = text[start:end]
    kept = quoted.start(), ""
    if code and ("f" in quoted["kind"].lower() or len(value) < 3):
        return kept
    if _HARMLESS.fullmatch(value) or value.lower() in _KEPT_WORDS or (prose_allowed and _PROSE.match(value)):
        return kept
    return end, f"{quoted[0]}{SECRET}"


def _closing_quote(text: str, start: int, quote: str) -> int:
    """Where the closing quote stands: the end of the line where it was cut off."""
    line_end = _line_end(text, start)
    at = start
    while (at := text.find(quote, at, line_end)) >= 0:
        before = at - 1
        while before >= start and text[before] == "\\":
            before -= 1
        if len(quote) > 1 or (at - 1 - before) % 2 == 0:
            return at
        at += 1
    return line_end


def _line_end(text: str, start: int) -> int:
    limit = min(len(text), start + _LINE_CHARS)
    end = text.find("\n", start, limit)
    return limit if end < 0 else end


def _bracketed(text: str, start: int, budget: _Budget) -> tuple[int, str]:
    """A list or dict: every quoted string in it that could be a value, up to the bracket that closes it."""
    depth = 0
    at = start
    parts: list[str] = []
    limit = min(len(text), start + 4_000)
    if budget.left <= 0:  # nested beyond reason: the whole line goes
        return max(start, _line_end(text, start)), SECRET
    while at < limit:
        char = text[at]
        if char in "\"'":
            quoted = _QUOTED.match(text, at)
            end = _closing_quote(text, at + 1, char)
            following = text[end + 1 : end + 3].lstrip()
            if quoted is not None and not following.startswith(":"):
                stop, value = _quoted(text, quoted, code=False, prose_allowed=True)
                parts.append(value if stop > at else text[at:end])
            else:
                parts.append(text[at:end])
            at = end
            if at < limit and text[at] == char:
                parts.append(char)
                at += 1
            continue
        parts.append(char)
        at += 1
        if char in _CLOSING:
            depth += 1
        elif char in "}])":
            depth -= 1
            if depth == 0:
                break
        elif char == "\n" and depth == 0:
            break
    budget.left -= at - start
    changed = "".join(parts)
    return (at, changed) if changed != text[start:at] else (start, "")


def _line(text: str, start: int, close: str | None) -> tuple[int, str]:
    """A header's value: the rest of the line, or the item of a comma-separated list."""
    end = _line_end(text, start)
    value = text[start : min(end, start + 500)]
    if close or value.startswith(SECRET) or not value.strip() or not re.search(r"[\d=]|\S{16}", value):
        return start, ""
    return end, SECRET


def _bare(text: str, start: int, word: str, sep: str) -> tuple[int, str]:
    """A value without quotes. Behind `=` it nearly always is one; behind `: ` it may be a word of prose."""
    found = _BARE.match(text, start)
    if found is None:
        return start, ""
    value = found[0].rstrip(".:")
    end = start + len(value)
    following = text[end : end + 1]
    if not value or value.lower() in _KEPT_WORDS or following in ("(", "[") or _HARMLESS.fullmatch(value):
        return start, ""
    if "." in value and all(part.isidentifier() for part in value.split(".")) and not re.search(r"\d", value):
        return start, ""  # an attribute: self.password
    if value.isdigit() and len(value) < 7 and word == "token":
        return start, ""
    telling = re.search(r"\d", value) is not None or re.search(r"[a-z][A-Z]|[!#$%^*+=/@]", value) is not None
    alone = len(value) >= 6 and text[end : end + 1] in ("", "\n", "\r", ",", ";")
    if sep == "=" or telling or (alone and word.startswith(("pass", "pwd", "secret"))):
        return end, SECRET
    return start, ""


def _option(found: re.Match[str]) -> str:
    if not _OPTION_NAME.search(found["name"]):
        return found[0]
    if _HARMLESS.fullmatch(found["value"]) or found["value"].startswith(("-", "[")):
        return found[0]
    return f"{found['name']}{found['sep']}{SECRET}"


def _header(found: re.Match[str]) -> str:
    value = found["value"]
    telling = len(value) >= 24 or re.search(r"\d|=|[a-z][A-Z]", value)
    return f"{found['scheme']}{SECRET}" if telling else found[0]
