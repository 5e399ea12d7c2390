"""The abstraction of one source line: its shape, and the words of its identifiers.

`shape` is what shipped data hold instead of source: syntax kinds, operators, keywords, builtin and exception names,
with every other identifier as a placeholder and every literal as its kind. All tokens come from the closed set
`VOCABULARY`, so that nothing of a project's own can stand in a shape. `words` are the identifiers, cut into
lower-cased words and sorted. Both read half a line as well as a whole one, never raise, and use no grammar of the
running interpreter: the same line gives the same answer on every Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

MAX_CHARACTERS = 2_000  # of a line; the rest is not looked at


def _in_order(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEYWORDS = _names(
    "and as assert async await break class continue def del elif else except finally for from global if import in "
    "is lambda nonlocal not or pass raise return try while with yield"
)
_CONSTANTS = {"None": "lit:none", "True": "lit:bool", "False": "lit:bool", "Ellipsis": "lit:ellipsis"}
_CONVENTIONS = frozenset({"self", "cls"})

BUILTINS = _names(
    "NotImplemented __import__ abs aiter all anext any ascii bin bool breakpoint bytearray bytes callable chr "
    "classmethod compile complex delattr dict dir divmod enumerate eval exec filter float format frozenset getattr "
    "globals hasattr hash help hex id input int isinstance issubclass iter len list locals map max memoryview min "
    "next object oct open ord pow print property range repr reversed round set setattr slice sorted staticmethod "
    "str sum super tuple type vars zip"
)
EXCEPTIONS = _names(
    "ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError BrokenPipeError "
    "BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError ConnectionRefusedError "
    "ConnectionResetError DeprecationWarning EOFError EncodingWarning EnvironmentError Exception ExceptionGroup "
    "FileExistsError FileNotFoundError FloatingPointError FutureWarning GeneratorExit IOError ImportError "
    "ImportWarning IndentationError IndexError InterruptedError IsADirectoryError KeyError KeyboardInterrupt "
    "LookupError MemoryError ModuleNotFoundError NameError NotADirectoryError NotImplementedError OSError "
    "OverflowError PendingDeprecationWarning PermissionError ProcessLookupError RecursionError ReferenceError "
    "ResourceWarning RuntimeError RuntimeWarning StopAsyncIteration StopIteration SyntaxError SyntaxWarning "
    "SystemError SystemExit TabError TimeoutError TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError "
    "UnicodeError UnicodeTranslateError UnicodeWarning UserWarning ValueError Warning ZeroDivisionError"
)
_OPERATORS = _in_order(
    "**= //= >>= <<= ... -> := == != <= >= += -= *= /= %= &= |= ^= @= ** // << >> + - * / % @ & | ^ ~ < > = ( ) [ ] "
    "{ } , : . ;"
)

#: An identifier by its place and its letters' case; `dunder` is a special name such as an initialiser's.
PLACEHOLDERS = frozenset({"name", "Name", "NAME", "attr", "dunder"})
#: `call` and `subscript` are the brackets that follow a value; `kw=` the equals sign within brackets.
KINDS = frozenset({"call", "subscript", "kw=", "lambda:"})
LITERALS = frozenset({"lit:str", "lit:bytes", "lit:fstr", "lit:int", "lit:float", "lit:complex", *_CONSTANTS.values()})

VOCABULARY: frozenset[str] = (
    KEYWORDS | _CONVENTIONS | BUILTINS | EXCEPTIONS | PLACEHOLDERS | KINDS | LITERALS | frozenset(_OPERATORS)
)

_LEXEME = re.compile(
    r"""
      (?P<space>\s+|\\|\#[^\n]*)
    | (?P<prefix>[rRbBuUfFtT]{0,3})(?P<quote>\"\"\"|'''|"|')
    | (?P<number>(?:0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?)[jJ]?)
    | (?P<name>[^\W\d]\w*)
    | (?P<operator>"""
    + "|".join(re.escape(operator) for operator in _OPERATORS)
    + r""")
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_LETTERS = re.compile(r"[^\W\d_]+")
_Lexeme = tuple[str, str]  # kind (name, number, string, operator), text


@lru_cache(maxsize=8192)
def shape(code: str) -> tuple[str, ...]:
    """The tokens that abstract `code`, one source line or a part of one, all of `VOCABULARY`.

    >>> shape("if len(rows) > 1: total = rows[0].price + 'x'")
    ('if', 'len', 'call', 'name', ')', '>', 'lit:int', ':', 'name', '=', 'name', 'subscript', 'lit:int', ']', '.',
     'attr', '+', 'lit:str')
    """
    tokens: list[str] = []
    brackets: list[str] = []
    lambdas = 0
    for kind, text in _lex(code):
        last = tokens[-1] if tokens else ""
        if kind == "operator":
            if text in ("(", "["):
                token = {"(": "call", "[": "subscript"}[text] if _ends_value(last) else text
                brackets.append(token)
            elif text == "=" and (brackets or lambdas):
                token = "kw="
            elif text == ":" and lambdas:
                token, lambdas = "lambda:", lambdas - 1
            else:
                token = text
                if text == "{":
                    brackets.append(text)
                elif text in (")", "]", "}") and brackets:
                    brackets.pop()
        elif kind == "name":
            token = _name(text, last)
            lambdas += token == "lambda"
        else:
            token = text  # a literal's kind
        tokens.append(token)
    return tuple(tokens)


@lru_cache(maxsize=8192)
def words(code: str) -> tuple[str, ...]:
    """The words of the identifiers in `code`: lower-cased, unique, sorted; neither keywords nor literals' content.

    >>> words("self.lastName = parseHTTPHeader(raw_value, 'text')")
    ('header', 'http', 'last', 'name', 'parse', 'raw', 'self', 'value')
    """
    found = {
        word.lower()
        for kind, text in _lex(code)
        if kind == "name" and text not in KEYWORDS and text not in _CONSTANTS
        for word in _split(text)
    }
    return tuple(sorted(found))


def _split(identifier: str) -> Iterator[str]:
    """`parseHTTPHeader_2` -> parse, HTTP, Header."""
    for letters in _LETTERS.findall(identifier):
        start = 0
        for i in range(1, len(letters)):
            turns = letters[i].isupper() and not letters[i - 1].isupper()
            ends_capitals = letters[i].islower() and letters[i - 1].isupper() and i - 1 > start
            if turns or ends_capitals:
                cut = i if turns else i - 1
                yield letters[start:cut]
                start = cut
        yield letters[start:]


def known_token(token: str) -> bool:
    """Whether `token` may stand in a shape; what does not was not made by `shape`."""
    return token in VOCABULARY


def _ends_value(token: str) -> bool:
    return (
        token in PLACEHOLDERS
        or token in BUILTINS
        or token in EXCEPTIONS
        or token in _CONVENTIONS
        or token in LITERALS
        or token in (")", "]", "}")
    )


def _name(text: str, last: str) -> str:
    if last == ".":
        return "dunder" if text.startswith("__") and text.endswith("__") else "attr"
    if text in KEYWORDS or text in BUILTINS or text in EXCEPTIONS or text in _CONVENTIONS:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text.startswith("__") and text.endswith("__"):
        return "dunder"
    bare = text.strip("_")
    if bare[:1].isupper():
        return "NAME" if len(bare) > 1 and bare.upper() == bare else "Name"
    return "name"


def _lex(code: str, depth: int = 0) -> Iterator[_Lexeme]:
    """The lexemes of `code`. Strings come as their kind; the expressions within an f-string follow it."""
    code = code[:MAX_CHARACTERS]
    position = 0
    while (match := _LEXEME.match(code, position)) is not None:
        position = match.end()
        if match["name"]:
            yield "name", match["name"]
        elif match["operator"]:
            yield "operator", match["operator"]
        elif match["number"]:
            yield "literal", _number(match["number"])
        elif match["quote"]:
            prefix = match["prefix"].lower()
            end = _string_end(code, position, match["quote"])
            formatted = "f" in prefix or "t" in prefix
            yield "literal", "lit:fstr" if formatted else "lit:bytes" if "b" in prefix else "lit:str"
            if formatted and depth < 3:
                yield from _embedded(code[position:end], depth)
            position = min(len(code), end + len(match["quote"]))


def _number(text: str) -> str:
    lowered = text.lower()
    if lowered.startswith(("0x", "0o", "0b")):
        return "lit:int"
    if lowered.endswith("j"):
        return "lit:complex"
    return "lit:float" if "." in lowered or "e" in lowered else "lit:int"


def _string_end(code: str, start: int, quote: str) -> int:
    """Where the closing quote stands; the end of `code` where the line was cut off before it."""
    position = start
    while position < len(code):
        if code[position] == "\\":
            position += 2
        elif code.startswith(quote, position):
            return position
        else:
            position += 1
    return len(code)


def _embedded(content: str, depth: int) -> Iterator[_Lexeme]:
    """The lexemes of the `{...}` fields of an f-string, without braces and format specifications."""
    position = 0
    while position < len(content):
        if content.startswith(("{{", "}}"), position):
            position += 2
            continue
        if content[position] != "{":
            position += 1
            continue
        start = position = position + 1
        open_brackets = 0
        while position < len(content):
            character = content[position]
            if character in "([{":
                open_brackets += 1
            elif character in ")]}" and open_brackets:
                open_brackets -= 1
            elif open_brackets == 0 and (
                character in "}:" or (character == "!" and not content.startswith("!=", position))
            ):
                break
            position += 2 if content.startswith("!=", position) else 1
        yield from _lex(content[start:position], depth + 1)
        closing = content.find("}", position)
        position = len(content) if closing < 0 else closing + 1
