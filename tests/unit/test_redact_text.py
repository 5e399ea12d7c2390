"""Tables of what leaves a text and what stays: a reader can judge each line."""

from __future__ import annotations

import pytest

from ems_ml.redact import SecretRedactor

LEAVES = [
    ("login failed for ann@example.org with password=hunter2", "login failed for [email] with password=[secret]"),
    ("{'user': 'x', 'password': 'hunter2'}", "{'user': 'x', 'password': '[secret]'}"),
    ('{"token": "abc", "n": {"api_key": "z"}}', '{"token": "[secret]", "n": {"api_key": "[secret]"}}'),
    (r'{\"password\": \"zz zz\"}', r'{\"password\": \"[secret]\"}'),
    ("{'secret': b'abc'}", "{'secret': b'[secret]'}"),
    ("postgres://bob:s3cr3t@db.example.com:5432/x", "postgres://[secret]@db.example.com:5432/x"),
    ("Authorization: Bearer abc.def.ghi123", "Authorization: [secret]"),
    ("sent bearer aaaabbbbccccddddeeeeffff1", "sent bearer [secret]"),
    ("{'Authorization': 'Basic QWxhZGRpbjpvcGVu'}", "{'Authorization': '[secret]'}"),
    ("connect to 10.1.2.3 or 2001:db8::8a2e:370:7334", "connect to [ip] or [ip]"),
    ("No such file: '/home/alice/app/x.py'", "No such file: '/home/[user]/app/x.py'"),
    (r"C:\Users\John Smith\AppData\x.py", r"C:\Users\[user]\AppData\x.py"),
    ("key " + "AKIA" + "IOSFODNN7EXAMPLE", "key [secret]"),
    ("card 4111 1111 1111 1111 refused", "card [card] refused"),
    ("call +49 30 1234567890", "call [phone]"),
    ("Password: correcthorse", "Password: [secret]"),
    ("{'password': ['This field is required.', 'hunter2']}", "{'password': ['This field is required.', '[secret]']}"),
    ("tool --api-key abcd --password=xyz", "tool --api-key [secret] --password=[secret]"),
    ("[('password', 'hunter2'), ('token', 'x9')]", "[('password', '[secret]'), ('token', '[secret]')]"),
    ("GET /x?access_token=abc&page=1", "GET /x?access_token=[secret]&page=1"),
    ("Set-Cookie: sid=123; path=/", "Set-Cookie: [secret]"),
    ("{'password': 'cut off he", "{'password': '[secret]"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nx", "[secret]\nx"),
]  # fmt: skip

STAYS = [
    "'NoneType' object has no attribute 'password'",
    "KeyError: 'api_key'",
    "f() got an unexpected keyword argument 'token'",
    "f() missing 1 required positional argument: 'secret'",
    "password: field required; token: expired",
    "Unexpected token: '}'",
    "requires version 1.2.3.4, found numpy==1.26.0.1",
    "connection to 127.0.0.1 port 5432 failed",
    "x[1::2] at 12:34:56",
    "Basic authentication failed",
    "password authentication failed for user",
    "max_tokens=4096 token_type=bearer",
    "order 4111111111111112 not found",  # its check digit is wrong
    "at 0x7ffac0126090, 2024-01-31T12:00:00, 3.14159265358979",
    "cannot import name 'Token' from 'lexer' (/srv/app/lexer.py)",
    "commit 9c7b1a9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b",
    "token=None, password=None",
]

CODE_STAYS = [
    "password = get_password()",
    "login(user, password=password, token=self.token)",
    "y = x@self.weight",
    "if token == '(':",
    "def f(password: str, api_key: str | None = None):",
    "secret = os.environ['SECRET']",
    "token: Token = tokens[i]",
]

CODE_LEAVES = [
    ("login(password='hunter2')", "login(password='[secret]')"),
    ("send('ann@example.org')", "send('[email]')"),
    ("connect('postgres://u:pw@db/x')", "connect('postgres://[secret]@db/x')"),
]


@pytest.mark.parametrize(("text", "expected"), LEAVES)
def test_secrets_and_personal_data_leave_a_text(text: str, expected: str) -> None:
    assert SecretRedactor().redact_text(text) == expected


@pytest.mark.parametrize("text", STAYS)
def test_what_grouping_needs_stays(text: str) -> None:
    assert SecretRedactor().redact_text(text) == text


@pytest.mark.parametrize("line", CODE_STAYS)
def test_source_that_only_names_secrets_stays(line: str) -> None:
    assert SecretRedactor().redact_code(line) == line


@pytest.mark.parametrize(("line", "expected"), CODE_LEAVES)
def test_literals_in_source_leave(line: str, expected: str) -> None:
    assert SecretRedactor().redact_code(line) == expected
