"""The exceptions that messages name, and how they are named."""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping

_NO_KIND = ("Exception", "BaseException", "ExceptionGroup", "BaseExceptionGroup")
_BUILTIN = {
    name: kind.__name__
    for name, kind in vars(builtins).items()
    if isinstance(kind, type)
    and issubclass(kind, BaseException)
    and not issubclass(kind, Warning)
    and name not in _NO_KIND
}
#: Exceptions of well-known modules, by the names that messages use; bare where several modules have one.
_KNOWN = {
    "JSONDecodeError": "json.JSONDecodeError",
    "CancelledError": "asyncio.CancelledError",
    "InvalidStateError": "asyncio.InvalidStateError",
    "IncompleteReadError": "asyncio.IncompleteReadError",
    "LimitOverrunError": "asyncio.LimitOverrunError",
    "FrozenInstanceError": "dataclasses.FrozenInstanceError",
    "CalledProcessError": "subprocess.CalledProcessError",
    "TimeoutExpired": "subprocess.TimeoutExpired",
    "PicklingError": "pickle.PicklingError",
    "UnpicklingError": "pickle.UnpicklingError",
    "PickleError": "pickle.PickleError",
    "SSLError": "ssl.SSLError",
    "gaierror": "socket.gaierror",
    "BadZipFile": "zipfile.BadZipFile",
    "BadStatusLine": "http.client.BadStatusLine",
    "RemoteDisconnected": "http.client.RemoteDisconnected",
    "NoSectionError": "configparser.NoSectionError",
    "NoOptionError": "configparser.NoOptionError",
    "ExpatError": "xml.parsers.expat.ExpatError",
    "LinAlgError": "numpy.linalg.LinAlgError",
    "binascii.Error": "binascii.Error",
    "struct.error": "struct.error",
    "socket.error": "OSError",
    "select.error": "OSError",
    "socket.timeout": "TimeoutError",
    "zlib.error": "zlib.error",
    "queue.Empty": "queue.Empty",
    "tarfile.ReadError": "tarfile.ReadError",
    "InvalidOperation": "decimal.InvalidOperation",
    "UnsupportedOperation": "io.UnsupportedOperation",
    "PackageNotFoundError": "importlib.metadata.PackageNotFoundError",
    "IncompleteRead": "http.client.IncompleteRead",
    "URLError": "urllib.error.URLError",
    "TclError": "_tkinter.TclError",
    "MaxRetryError": "urllib3.exceptions.MaxRetryError",
    "ReadTimeoutError": "urllib3.exceptions.ReadTimeoutError",
    "ChunkedEncodingError": "requests.exceptions.ChunkedEncodingError",
    "InvalidVersion": "packaging.version.InvalidVersion",
    "InvalidRequirement": "packaging.requirements.InvalidRequirement",
    "TemplateNotFound": "jinja2.exceptions.TemplateNotFound",
    "UndefinedError": "jinja2.exceptions.UndefinedError",
    "OperationalError": "OperationalError",
    "IntegrityError": "IntegrityError",
    "InterfaceError": "InterfaceError",
    "ProgrammingError": "ProgrammingError",
    "InvalidRequestError": "sqlalchemy.exc.InvalidRequestError",
    "CompileError": "sqlalchemy.exc.CompileError",
    "DetachedInstanceError": "sqlalchemy.orm.exc.DetachedInstanceError",
    "ObjectDeletedError": "sqlalchemy.orm.exc.ObjectDeletedError",
    "UnmappedColumnError": "sqlalchemy.orm.exc.UnmappedColumnError",
    "StreamClosedError": "tornado.iostream.StreamClosedError",
    "WebSocketClosedError": "tornado.websocket.WebSocketClosedError",
    "ClosedResourceError": "anyio.ClosedResourceError",
    "BrokenResourceError": "anyio.BrokenResourceError",
    "CommClosedError": "distributed.comm.core.CommClosedError",
    "AlreadyCalledError": "twisted.internet.defer.AlreadyCalledError",
    "ZMQError": "zmq.error.ZMQError",
}
#: name in a message -> the exception's name as a traceback prints it
TYPES: Mapping[str, str] = {**_BUILTIN, **_KNOWN}

#: Matches one of them as a message writes it; the group `type` holds the name.
NAMED = (
    r"[`'\"*(\[<]*(?<!\w)(?:[a-z_]+\.)*?(?P<type>"
    + "|".join(re.escape(name) for name in sorted(TYPES, key=len, reverse=True))
    + r")(?:s|'s|es)?(?![\w(]|\.\w)[`'\"*)\]>]*"
)


def type_of(match: re.Match[str]) -> str:
    """The exception that a pattern found, as a traceback prints it: its group `type`, `type2` or `type3`."""
    groups = match.groupdict()
    name = groups.get("type") or groups.get("type2") or groups["type3"]
    exact = TYPES.get(name)
    return exact if exact is not None else next(TYPES[known] for known in TYPES if known.lower() == name.lower())
