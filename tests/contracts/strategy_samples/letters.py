"""Letters kept in files, which must be closed, as text of any alphabet."""

import threading


class Letters:
    def __init__(self, path):
        super().__init__()
        self.path = path
        self.lock = threading.Lock()
        self.known = {}

    def read(self):
        with open(self.path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        lines = text.splitlines()
        self.known = {line.lower(): line for line in lines}
        return lines

    def raw(self, text):
        coded = text.encode("utf-8")
        size = len(coded)
        return size.to_bytes(4, "big") + coded

    def text(self, raw):
        name = raw[4:].decode()
        return name.strip()

    def first(self):
        file = open(self.path, encoding="latin-1")  # noqa: SIM115 (what the law closes)
        try:
            return file.readline()
        finally:
            file.close()

    def forget(self):
        with self.lock:
            self.known.clear()
        return sorted(self.known.keys())
