"""Personal data: addresses, card and telephone numbers, and people's names in the paths of their homes."""

from __future__ import annotations

import ipaddress
import re

_EMAIL = re.compile(r"(?<![\w.%+-])(?P<who>[\w.%+-]+)@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w@])")
_LOGIN = re.compile(r"(?<=://)(?:[^\s/@:'\"<>\[\]]{0,200}:[^\s/'\"<>]{1,256}|[A-Za-z0-9_-]{16,200})@(?=[\w.\[-])")
_IPV4 = re.compile(r"(?<![\w.-])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{1,4}:[0-9A-Fa-f:]{2,36}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:.]*\w)")
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)")
_CARD_ISSUER = re.compile(
    r"4\d{12}(?:\d{3}){0,2}$|(?:5[1-5]|2[2-7])\d{14}$|3[47]\d{13}$|6(?:011|5\d\d)\d{12}$|3(?:0[0-5]|[68]\d)\d{11}$|35\d{14}$"
)
_PHONE = re.compile(r"(?<![\w+.-])\+\d{1,3}[ -]?(?:\(\d{1,4}\)[ -]?)?\d(?:[ -]?\d){7,11}(?![\w-]|\.\d)")
_VERSION = re.compile(r"(?:version|ver\.?|release|build|python|==|[<>~!]=|[<>@^]|\bv)[\s:=\"']{0,3}$", re.IGNORECASE)
_HOME = re.compile(
    r"(?P<root>(?<![\w.])(?:/(?:mnt|export|usr|var|data|nfs))?/home/)"
    r"(?P<name>[^/\s\"'`:,;<>()\[\]{}|\\]+)"
)
_USERS = re.compile(
    r"(?P<root>(?:[\\/]|\b[A-Za-z]:)(?:Users|Documents and Settings)[\\/]{1,4})"
    r"(?P<name>[^\\/:*?\"'<>|\r\n\[\]]{1,64}(?=[\\/])|[^\s\\/:*?\"'<>|,;()\[\]{}]{1,64})"
)


def redact_personal(text: str, *, code: bool) -> str:
    """`text` with personal data replaced by `[email]`, `[ip]`, `[card]`, `[phone]`, `[user]`.

    Loopback addresses stay, and so does what is said to be a version. In source code, an address counts only
    behind a quote or a hash: `a@b.T` is a product.
    """
    if "://" in text and "@" in text:
        text = _LOGIN.sub("[secret]@", text)
    if "@" in text:
        text = _EMAIL.sub(lambda found: _email(found, code=code), text)
    if "home/" in text:
        text = _HOME.sub(r"\g<root>[user]", text)
    if "Users" in text or "Settings" in text:
        text = _USERS.sub(r"\g<root>[user]", text)
    if "." in text:
        text = _IPV4.sub(_ipv4, text)
    if ":" in text and not code:
        text = _IPV6.sub(_ipv6, text)
    text = _CARD.sub(_card, text)
    return text if code or "+" not in text else _PHONE.sub("[phone]", text)


def _email(found: re.Match[str], *, code: bool) -> str:
    before = found.string[max(0, found.start() - 500) : found.start()]
    if found["who"] == "git" or (code and not any(mark in before for mark in "\"'#")):
        return found[0]
    return "[email]"


def _ipv4(found: re.Match[str]) -> str:
    if _VERSION.search(found.string[max(0, found.start() - 16) : found.start()]):
        return found[0]
    try:
        address = ipaddress.IPv4Address(found[0])
    except ValueError:
        return found[0]
    return found[0] if address.is_loopback or address.is_unspecified or found[0].startswith("255.") else "[ip]"


def _ipv6(found: re.Match[str]) -> str:
    if not any(len(group) > 2 for group in found[0].split(":")):
        return found[0]  # a slice, a time
    try:
        ipaddress.IPv6Address(found[0])
    except ValueError:
        return found[0]
    return "[ip]"


def _card(found: re.Match[str]) -> str:
    digits = re.sub(r"[ -]", "", found[0])
    return "[card]" if _CARD_ISSUER.match(digits) and luhn(digits) else found[0]


def luhn(digits: str) -> bool:
    """Whether the check digit fits (ISO/IEC 7812-1): every second digit from the right doubled, sum ends in 0."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
