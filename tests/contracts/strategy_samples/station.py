"""A station: reads its settings, keeps files, asks a service. Written for these tests."""

import json
import os
import socket

import numpy
from yaml import safe_load


def settings(path):
    with open(path) as file:
        return json.load(file)


def place():
    return os.environ["STATION_PLACE"], os.getenv("STATION_NAME")


def keep(folder, name, text):
    os.mkdir(os.path.join(folder, name))
    with open(os.path.join(folder, name, "note.txt"), "w") as file:
        file.write(text)
    return sorted(os.listdir(folder))


def depth(tree):
    if not tree:
        return 0
    return 1 + max(depth(child) for child in tree)


class Service:
    def __init__(self, host, port):
        self.address = (host, port)

    def ask(self, question):
        import requests

        with socket.create_connection(self.address, timeout=3) as line:
            line.sendall(question)
        return requests.get(self.address[0], timeout=3)


def mean(text):
    values = safe_load(text)
    return numpy.mean(values, axis=0)
