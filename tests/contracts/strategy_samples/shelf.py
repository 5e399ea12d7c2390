"""A library's shelf, in one author's style."""

import json
from collections import defaultdict

LIMITS = {"member": 5, "guest": 1}


class Shelf:
    """Books by title."""

    kind = "shelf"

    def __init__(self, name, books=None):
        self.name = name
        self.books = dict(books or {})
        self.lent = {}
        self.log = []

    def __len__(self):
        return len(self.books)

    def add(self, title, copies=1):
        if not isinstance(title, str):
            raise TypeError("a title is text")
        if copies < 1:
            raise ValueError("at least one copy")
        self.books[title] = self.books.get(title, 0) + copies
        self.log.append(("add", title))

    def lend(self, title, reader, group="member"):
        held = self.lent.get(reader, [])
        if len(held) >= LIMITS.get(group, 1):
            raise ValueError("too many books")
        if title not in self.books:
            return None
        left = self.books[title] - 1
        if left:
            self.books[title] = left
        else:
            del self.books[title]
        self.lent[reader] = held + [title]
        return title

    def first(self):
        titles = sorted(self.books)
        if not titles:
            return None
        return titles[0]

    def drop_empty(self):
        dropped = 0
        for title, copies in list(self.books.items()):
            if copies == 0:
                del self.books[title]
                dropped += 1
        return dropped

    def by_letter(self):
        found = defaultdict(list)
        for title in self.books:
            found[title[:1].upper()].append(title)
        return dict(found)

    def dump(self):
        return json.dumps({"name": self.name, "books": self.books, "count": str(len(self))})


def load(text, default=None):
    try:
        told = json.loads(text)
    except (ValueError, TypeError):
        return default
    name = told.get("name", "unnamed")
    owner = getattr(told, "owner", None)
    shelf = Shelf(name, told.get("books"))
    if owner is not None:
        shelf.log.append(owner.name)
    return shelf


def longest(shelves):
    best = None
    for shelf in shelves:
        if best is None or len(shelf) > len(best):
            best = shelf
    return best.name if best is not None else ""
