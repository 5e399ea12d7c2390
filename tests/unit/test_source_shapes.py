"""Shapes and words of source lines: tables that a reader can judge, and the law that nothing leaks."""

from __future__ import annotations

import keyword
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems_ml.source.shapes import VOCABULARY, known_token, shape, words

SHAPES = [
    ("return total", "return name"),
    ("if x:", "if name :"),
    ("else:", "else :"),
    ("foo(a,", "name call name ,"),
    ("} + bar)", "} + name )"),
    ("self.lines[i].price *= 2", "self . attr subscript name ] . attr *= lit:int"),
    ("x = [1, 2.5, 3j, None, True]", "name = [ lit:int , lit:float , lit:complex , lit:none , lit:bool ]"),
    ("raise KeyError(f'no {name!r}: {a[0]:>3}') from None",
     "raise KeyError call lit:fstr name name subscript lit:int ] ) from lit:none"),
    ("f(key=1, *rest, **more)", "name call name kw= lit:int , * name , ** name )"),
    ("def load(self, path: str = 'x') -> Rows:", "def name call self , name : str kw= lit:str ) -> Name :"),
    ("pick = lambda row: row.size", "name = lambda name lambda: name . attr"),
    ("super().__init__()  # a comment", "super call ) . dunder call )"),
    ("MAX_SIZE if HttpError else _private", "NAME if Name else name"),
    ("log('an unclosed string", "name call lit:str"),
    ('b"raw" r"\\d" """open', "lit:bytes lit:str lit:str"),
    ("0x1F + 1e9 + .5", "lit:int + lit:float + lit:float"),
    ("", ""),
    ("\x00 ? $", ""),
]  # fmt: skip

WORDS = [
    ("self.lastName = parseHTTPHeader(raw_value, 'text')", "header http last name parse raw self value"),
    ("if x is None: return", "x"),
    ("größe = Zähler2.wert", "größe wert zähler"),
    ("f'{user.name}' + 'secret'", "name user"),
    ("", ""),
]


@pytest.mark.parametrize(("code", "expected"), SHAPES, ids=[code[:30] or "empty" for code, _ in SHAPES])
def test_shape(code: str, expected: str) -> None:
    assert shape(code) == tuple(expected.split())


@pytest.mark.parametrize(("code", "expected"), WORDS, ids=[code[:30] or "empty" for code, _ in WORDS])
def test_words(code: str, expected: str) -> None:
    assert set(words(code)) == set(expected.split())
    assert list(words(code)) == sorted(words(code))


@given(st.text())
def test_any_text_gives_only_known_tokens(code: str) -> None:
    assert all(known_token(token) for token in shape(code))
    assert all(token in VOCABULARY for token in shape(code))
    assert words(code) == tuple(sorted(set(words(code))))


@given(st.text(alphabet="abcxyz", min_size=4), st.text(alphabet="0123456789 secret", min_size=1))
def test_neither_identifiers_nor_literals_stand_in_a_shape(name: str, literal: str) -> None:
    line = f"{name} = {name}({name}.{name}['{literal}'], {name}=f'{literal}')"
    assert shape(line) == shape("foo = foo(foo.foo['a'], foo=f'a')")
    assert not any(keyword.iskeyword(word) for word in words(line))


def test_a_very_long_line_is_bounded() -> None:
    assert len(shape("x+" * 5_000_000)) <= 2_000


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, ems_ml.source.shapes; print(*(m for m in ('libcst', 'numpy', 'ast') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
