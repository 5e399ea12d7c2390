"""Fixes that messages tell: which messages count, and what is kept of their commits, in little made histories."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from ems_ml.build import build, tell_history
from ems_ml.errors import InputError, UsageError
from ems_ml.harvest.licences import licence_of
from ems_ml.harvest.messages import Told, message_words, told_by
from ems_ml.harvest.python2 import readable
from ems_ml.harvest.told import ToldHistories, history_folder, read_told
from ems_ml.service import cli
from ems_ml.settings import load_settings
from ems_ml.source.shapes import known_token

BEFORE = """\
class Shop:
    def price(self, name):
        found = self.prices[name]
        return found
"""
AFTER = BEFORE.replace("self.prices[name]", "self.prices.get(name)")
FIX = "Fix KeyError for an unknown name"


class History:
    """A git repository of a test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.commit("Begin", {"shop/cart.py": BEFORE})

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        who = {f"GIT_{role}_{what}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        days = {f"GIT_{role}_DATE": "2020-01-01T12:00:00+00:00" for role in ("AUTHOR", "COMMITTER")}
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments],
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            check=True,
            env={**os.environ, **who, **days, "GIT_CONFIG_GLOBAL": os.devnull},
        )
        return done.stdout.decode("utf-8", "replace").strip()

    def commit(self, message: str | bytes, files: dict[str, str | bytes]) -> str:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        self.git("add", "-A")
        told = message.encode() if isinstance(message, str) else message
        self.git("commit", "-q", "--allow-empty", "-F", "-", stdin=told)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "shop")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EMS_HOME", str(tmp_path / "home"))
    return tmp_path / "cache"


def tell(*repositories: Path, name: str | None = None, since: str | None = None) -> ToldHistories:
    with build(load_settings()) as system:
        return tell_history(system, repositories, name=name, since=since)


@pytest.mark.parametrize(
    ("message", "type_"),
    [
        ("Fix KeyError when a header is missing (#12)", "KeyError"),
        ("Fixed an `AttributeError` crash on close.", "AttributeError"),
        ("Editor/bugfix: TypeError: expected string or buffer", "TypeError"),
        ("Don't raise IndexError on an empty list", "IndexError"),
        ("Use discard to avoid KeyErrors in stealing", "KeyError"),
        ("Failed queries no longer raise an AttributeError.", "AttributeError"),
        ("Handle UnicodeDecodeError in _get_user()", "UnicodeDecodeError"),
        ("Catch asyncio.TimeoutError on close", "TimeoutError"),
        ("fix: ignore IOError of a closed pipe", "OSError"),
        ("Fix bad padding (binascii.Error)", "binascii.Error"),
        ("Fix json.JSONDecodeError for an empty body", "json.JSONDecodeError"),
        ("fix: a factor of 1.0 raised ZeroDivisionError", "ZeroDivisionError"),
        ("Fix the cart (#3)\n\nAn empty one crashed with a KeyError.", "KeyError"),
        ("Fix the cart\n\nTraceback (most recent call last):\n  ...\nKeyError: 'tea'", "KeyError"),
        ("[PR #7/abc backport][3.11] Fix KeyError in parser", "KeyError"),
        ("Add try...catch for AttributeError", "AttributeError"),
        ("Fix the till\n\nAn empty drawer led to a ZeroDivisionError.", "ZeroDivisionError"),
        ("fix(till): count coins twice\n\nPreviously, `count` would raise a ``TypeError``.", "TypeError"),
        ("Fix the till\n\nIt could raise an IndexError instead of a TillError.", "IndexError"),
        (
            "Fixed a race where closing the till could raise :exc:`AttributeError` instead of `TillError`",
            "AttributeError",
        ),
        ("Sort the coins by value\n\nA drawer of None crashed the till with AttributeError.", "AttributeError"),
        ("Sort the coins by value\n\nThis fixes the KeyError of an unknown coin.", "KeyError"),
        ("Ask for the drawer first\n\nAttributeError: 'NoneType' object has no attribute 'coins'", "AttributeError"),
        ("Coins are text\n\n    E   TypeError: must be str, not bytes", "TypeError"),
    ],
)
def test_a_message_tells_of_a_fix(message: str, type_: str) -> None:
    said = told_by(message)
    assert isinstance(said, Told)
    assert said.type == type_


@pytest.mark.parametrize(
    "message",
    [
        "Raise ValueError for an empty name",
        "fix for issue #786 to raise ValueError if keep alive is set",
        "Fix #2231: raise OSError if a lookup found no hosts",
        "Fix foo not raising KeyError",
        "fix crash if ImportError has no name attr",
        "Do not show full traceback for RuntimeError: recursion depth exceeded",
        "Fix a bug where get didn't raise KeyError",
        "Use TypeError instead of ValueError",
        "Convert KeyError to ValueError",
        "Fix the KeyError message",
        "Fix typo in TypeError of Application",
        "Add test for HTTPError and KeyError",
        "Fix tests that expect a KeyError",
        'Revert "Fix KeyError when a header is missing"',
        "Fix KeyError again\n\nThis reverts commit 0123456.",
        "Rename ImportError handling",
        "Clearer error message, fix NotImplementedError for a URL",
        "Fix DeprecationWarning of collections",
        "Fix MyKeyError",
        "Raise TillError for no drawer\n\nIt crashed with an AttributeError.",
        "Fix error messages\n\nIt would raise a bare KeyError.",
        "Fix the till\n\nAn unknown coin now results in a KeyError.",
        "Sort the coins\n\nRaised NotImplementedError before, now ValueError.",
        "Sort the coins\n\nThe raised ValueError names the coin.",
        "Sort the coins\n\nA second press may trigger a KeyboardInterrupt.",
        "Sort the coins\n\nPendingDeprecationWarning: a generator raised StopIteration",
        "Drop the old till\n\nIts drawer has always raised TypeError.",
        "MAINT: Remove the old till\n\nIts drawer led to a TypeError.",
        "Merged revisions 12, 13 from trunk\n\nSort the coins\n\nFix two KeyErrors of coins.",
        "Add a till\n\nTypeError: Till() got an unexpected keyword argument 'coins'",
        "Fix the Exception",
        "Fix the cart",
    ],
)
def test_a_message_tells_of_no_fix(message: str) -> None:
    assert not isinstance(told_by(message), Told)


def test_words_hold_no_people_addresses_or_links() -> None:
    message = (
        "Fix KeyError in parseURL_now (#12) -- by :user:`Somebody`.\n"
        "Thanks to Ann Author <ann@example.org>, see https://example.org/x @someone\n"
        "Signed-off-by: Bob Builder <bob@example.org>"
    )
    assert message_words(message) == ("fix", "in", "keyerror", "now", "parse", "url")
    assert message_words("Fix KeyError, thanks to Ann Author <ann@example.org>") == ("fix", "keyerror")


def test_a_told_fix_is_kept_with_what_it_changed(history: History, cache: Path) -> None:
    commit = history.commit(FIX, {"shop/cart.py": AFTER})
    history.commit("Raise TypeError for no name", {"shop/cart.py": AFTER + "\nX = 1\n"})
    history.commit("Fix KeyError of a helper", {"tests/helper.py": "x = 1\n"})
    history.commit("Fix KeyError by writing it all anew", {"shop/cart.py": AFTER + "Y = 2\n" * 60})
    history.commit("Note KeyError fix", {"shop/cart.py": AFTER + "Y = 2\n" * 60 + "# done\n"})
    found = tell(history.folder)
    [line] = read_told(history_folder(cache, "shop") / "told.jsonl")
    assert line["commit"] == commit
    assert (line["type"], line["where"], line["main"]) == ("KeyError", "subject", True)
    assert line["words"] == ["an", "fix", "for", "keyerror", "name", "unknown"]
    assert line["strategies"][0][0] == "default_missing"
    assert (line["file"], line["function"]) == ("shop/cart.py", "Shop.price")
    assert [text.strip() for text in line["removed"]] == ["found = self.prices[name]"]
    assert [text.strip() for text in line["added"]] == ["found = self.prices.get(name)"]
    [place] = line["shapes"]
    assert (place["line"], place["words"]) == (3, ["found", "name", "prices", "self"])
    assert all(known_token(token) for token in place["shape"])
    ledger = json.loads((history_folder(cache, "shop") / "told-ledger.json").read_text())
    assert found.ledgers[0].told == ledger["told"] == 1
    assert ledger["commits"] == 6 == ledger["told"] + sum(ledger["left_out"].values())
    assert ledger["left_out"]["too large"] == ledger["left_out"]["no source changed"] == 1
    assert ledger["left_out"]["no code changed"] == 1


def test_a_fix_may_be_told_by_the_changelog_of_its_commit(history: History, cache: Path) -> None:
    history.commit(
        "Prices of unknown names, #5", {"shop/cart.py": AFTER, "CHANGES.rst": "* Fixed a ``KeyError`` of price\n"}
    )
    tell(history.folder)
    [line] = read_told(history_folder(cache, "shop") / "told.jsonl")
    assert (line["where"], line["type"]) == ("changelog", "KeyError")


def test_a_release_tells_no_fix_of_its_own(history: History, cache: Path) -> None:
    release = {"shop/version.py": "V = 2\n", "CHANGES.rst": "* Fixed a ``KeyError`` of price\n"}
    history.commit("Prepare v0.11.8", {"shop/cart.py": AFTER, **release})
    many = "".join(f"* Fixed a ``KeyError`` of case {number}\n" for number in range(30))
    history.commit("Out with it", {"shop/cart.py": BEFORE, "CHANGES.rst": many})
    assert tell(history.folder).ledgers[0].told == 0


def test_a_fix_on_two_branches_counts_once_and_a_merge_does_not(history: History, cache: Path) -> None:
    history.git("switch", "-q", "-c", "old")
    history.commit("Other work", {"shop/other.py": "x = 1\n"})
    history.git("switch", "-q", "main")
    fix = history.commit(FIX, {"shop/cart.py": AFTER})
    history.git("switch", "-q", "old")
    history.git("cherry-pick", fix)
    history.commit("Fix IndexError of nothing", {"shop/other.py": "x = [1][:1]\n"})
    history.git("switch", "-q", "main")
    history.git("switch", "-q", "-c", "side", "HEAD~1")
    history.commit("Side", {"shop/side.py": "x = 1\n"})
    history.git("switch", "-q", "main")
    history.git("merge", "-q", "--no-ff", "-m", "Fix KeyError by a merge", "side")
    [ledger] = tell(history.folder).ledgers
    lines = list(read_told(history_folder(cache, "shop") / "told.jsonl"))
    assert [(line["type"], line["main"]) for line in lines] == [("KeyError", True), ("IndexError", False)]
    assert ledger.left_out["the same change again"] == 1


def test_a_moved_file_is_no_small_change(history: History, cache: Path) -> None:
    history.git("mv", "shop/cart.py", "shop/basket.py")
    history.commit("Fix ImportError of the basket", {})
    [ledger] = tell(history.folder).ledgers
    assert ledger.told == 0
    assert ledger.commits == 2 == sum(ledger.left_out.values())


def test_a_submodule_is_left_alone(history: History, cache: Path, tmp_path: Path) -> None:
    other = History(tmp_path / "other")
    history.git("submodule", "--quiet", "add", str(other.folder), "part.py")
    history.commit("Fix ImportError by bringing the part", {})
    history.commit(FIX, {"shop/cart.py": AFTER})
    [ledger] = tell(history.folder).ledgers
    assert ledger.told == 1


def test_a_shallow_history_says_so(history: History, cache: Path, tmp_path: Path) -> None:
    history.commit(FIX, {"shop/cart.py": AFTER})
    history.commit("Fix KeyError of nothing", {"shop/cart.py": AFTER + "\nX = {}.get(1)\n"})
    history.git("clone", "-q", "--depth", "2", f"file://{history.folder}", str(tmp_path / "clone"))
    [ledger] = tell(tmp_path / "clone").ledgers
    assert ledger.told == 1
    assert ledger.left_out["no parent in this history"] == 1
    assert "shallow" in ledger.notes[0]


def test_broken_encodings_lose_a_letter_not_the_fix(history: History, cache: Path) -> None:
    history.commit("Fix KeyError of caf\xe9".encode("latin-1"), {"shop/cart.py": AFTER})
    latin = f"# -*- coding: latin-1 -*-\n# caf\xe9\n{BEFORE}".encode("latin-1")
    history.commit("More", {"shop/latin.py": latin, "shop/broken.py": b"x = '\xff'\n"})
    history.commit("Fix KeyError in latin", {"shop/latin.py": latin.replace(b"[name]", b".get(name, 0)")})
    history.commit("Fix KeyError in broken", {"shop/broken.py": b"x = '\xff\xff'\n"})
    [ledger] = tell(history.folder).ledgers
    assert ledger.told == 2
    assert ledger.left_out["not readable as text"] == 1


def test_old_python_is_read_as_new() -> None:
    old = "try:\n    print 'a', 0777\nexcept (A, B), e:\n    raise E, 'no'\n"
    assert readable(old) == "try:\n    print('a', 0o777)\nexcept (A, B) as e:\n    raise E('no')\n"
    assert readable("def f(:\n") is None


def test_what_is_no_history_stops_no_other(history: History, cache: Path, tmp_path: Path) -> None:
    history.commit(FIX, {"shop/cart.py": AFTER})
    bare = tmp_path / "store.git"
    history.git("clone", "-q", "--bare", str(history.folder), str(bare))
    (tmp_path / "plain").mkdir()
    found = tell(tmp_path / "plain", bare, tmp_path / "missing")
    assert [(one.project, one.told) for one in found.ledgers] == [("store", 1)]
    assert set(found.problems) == {str(tmp_path / "plain"), str(tmp_path / "missing")}
    with pytest.raises(InputError, match="no git history"):
        tell(tmp_path / "plain")


def test_names_of_projects_are_clear(history: History, cache: Path, tmp_path: Path) -> None:
    twin = History(tmp_path / "else" / "shop")
    with pytest.raises(UsageError, match="called shop"):
        tell(history.folder, twin.folder)
    with pytest.raises(UsageError, match="one repository"):
        tell(history.folder, twin.folder, name="both")
    with pytest.raises(UsageError, match="plain name"):
        tell(history.folder, name="../up")
    assert tell(history.folder, name="till").ledgers[0].project == "till"


def test_only_what_was_committed_since_a_day(history: History, cache: Path) -> None:
    history.commit(FIX, {"shop/cart.py": AFTER})
    assert tell(history.folder, since="2020-02-01").ledgers[0].commits == 0
    assert tell(history.folder, since="2019-12-01").ledgers[0].commits == 2


@pytest.mark.parametrize(
    ("files", "licence"),
    [
        ({"LICENSE": "Permission is hereby granted, free of charge, to any person obtaining a copy"}, "MIT"),
        ({"COPYING.LESSER": "GNU LESSER GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007"}, "LGPL-3.0"),
        ({"LICENSE": "Redistribution and use in source and binary forms, ...\nNeither the name of"}, "BSD-3-Clause"),
        ({"pyproject.toml": 'classifiers = ["License :: OSI Approved :: Apache Software License"]'}, "Apache-2.0"),
        ({"setup.py": 'setup(\n    license="BSD",\n)'}, "BSD"),
        ({}, "not stated"),
    ],
)
def test_the_licence_is_what_the_files_say(history: History, files: dict[str, str], licence: str) -> None:
    history.commit("License", dict(files))
    assert licence_of(history.folder) == licence


def test_the_command(history: History, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history.commit(FIX, {"shop/cart.py": AFTER})
    assert cli.run(["harvest", "history", str(history.folder), "--told", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["histories"][0]["project"], answer["histories"][0]["told"], answer["problems"]) == ("shop", 1, {})
    assert cli.run(["harvest", "history", str(history.folder), str(tmp_path / "no"), "--told"]) == 15
    said = capsys.readouterr()
    assert "is not read" in said.err
    assert "shop" in said.out
