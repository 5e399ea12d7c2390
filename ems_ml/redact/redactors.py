"""Taking secrets and personal data out of an event, wherever in it they stand."""

from __future__ import annotations

from dataclasses import replace

from ems_ml.redact.keys import AZURE, KEY, PRIVATE_KEY, WEBHOOK
from ems_ml.redact.named import SECRET, redact_named
from ems_ml.redact.personal import redact_personal
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame

#: Each pass leaves less; texts made to hurt settle within so many.
_PASSES = 8


class SecretRedactor:
    """Replaces secrets by `[secret]` and personal data by what they are: `[email]`, `[ip]`, `[user]` ...

    Exception types, names of functions, modules and attributes stay as they are, so that grouping and ranking
    see the same error; `KeyError: 'api_key'` names a key and holds none. Redacting twice changes nothing more.
    Linear in the text.

    >>> SecretRedactor().redact_text("login failed for ann@example.org with password=hunter2")
    'login failed for [email] with password=[secret]'
    """

    def redact(self, event: ErrorEvent) -> ErrorEvent:
        return event.with_(
            error=self._record(event.error),
            chain=tuple(self._record(record) for record in event.chain),
            more=tuple(self.redact(other) for other in event.more),
            template=None if event.template is None else self.redact_text(event.template),
            fingerprint=tuple(self.redact_text(part) for part in event.fingerprint),
            attributes={key: self._named(key, value) for key, value in event.attributes.items()},
            modules={key: self.redact_text(value) for key, value in event.modules.items()},
        )

    def redact_text(self, text: str) -> str:
        """A message, a log line, a whole report."""
        return self._redact(text, code=False)

    def redact_code(self, line: str) -> str:
        """A source line, in which only literals can be secrets."""
        return self._redact(line, code=True)

    def _redact(self, text: str, *, code: bool) -> str:
        """Until nothing changes any more: what stands beside a placeholder may only then be seen as a secret."""
        for _ in range(_PASSES):
            before, text = text, _pass(text, code=code)
            if text == before:
                break
        return text

    def _record(self, record: ExceptionRecord) -> ExceptionRecord:
        return replace(
            record,
            message=self.redact_text(record.message),
            frames=tuple(self._frame(frame) for frame in record.frames),
        )

    def _frame(self, frame: Frame) -> Frame:
        code = None if frame.code is None else self.redact_code(frame.code)
        return replace(frame, file=redact_personal(frame.file, code=True), code=code)

    def _named(self, key: str, value: str) -> str:
        """An attribute's value; the attribute's own name may tell that it is a secret."""
        told = self.redact_text(f"{key}={value}")
        return told[len(key) + 1 :] if told.startswith(f"{key}=") else self.redact_text(value)


def _pass(text: str, *, code: bool) -> str:
    if len(text) < 5:
        return text
    if "-----BEGIN" in text:
        text = PRIVATE_KEY.sub(SECRET, text)
    text = KEY.sub(SECRET, text)
    if "https://" in text:
        text = WEBHOOK.sub(rf"\1{SECRET}", text)
    if "=" in text:
        text = AZURE.sub(rf"\1{SECRET}", text)
    return redact_named(redact_personal(text, code=code), code=code)


class NullRedactor:
    """Changes nothing: for text that is known to be free of secrets, such as harvested open source."""

    def redact(self, event: ErrorEvent) -> ErrorEvent:
        return event

    def redact_text(self, text: str) -> str:
        return text
