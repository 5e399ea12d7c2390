"""The wired system: every part is made when it is first used, and made once."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ems_ml.build import models
from ems_ml.build.second import SecondModels, models_before
from ems_ml.events import Bus
from ems_ml.group import ExemplarIndex
from ems_ml.normalize import NormalizerV1, RuledNormalizer, RuledParsers, StackRules
from ems_ml.parse import ParserChain, default_parsers
from ems_ml.pipeline import CountingStore, Pipeline
from ems_ml.ports import Encoder, Grouper, Normalizer, Parsers, Ranker, Redactor, Strategy
from ems_ml.redact import SecretRedactor
from ems_ml.settings import Settings
from ems_ml.store import SqlStore
from ems_ml.types import ErrorEvent, RankedStrategy, RawReport, Verdict
from ems_ml.versions import Transition, transition

if TYPE_CHECKING:
    from ems_ml.ports import SourceTree

log = logging.getLogger(__name__)

MEMORY = "sqlite://"  # a store that lives and dies with the process


@dataclass(frozen=True)
class System:
    """Settings, the bus, and the parts that both lead to. Safe for threads, one process each.

    `with build(settings) as system:` closes the store and drains the subscribers at the end.
    """

    settings: Settings
    bus: Bus = field(default_factory=Bus)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    @cached_property
    def rules(self) -> StackRules:
        """Which frames the settings call a project's application. Raises `UsageError`; so do the next two."""
        return StackRules(self.settings.in_app)

    @cached_property
    def parser(self) -> Parsers:
        chain = ParserChain(default_parsers())
        return RuledParsers(chain, self.rules) if len(self.rules) else chain

    @cached_property
    def redactor(self) -> Redactor:
        return SecretRedactor()

    @cached_property
    def normalizer(self) -> Normalizer:
        frozen = NormalizerV1()
        return RuledNormalizer(frozen, self.rules) if len(self.rules) else frozen

    @cached_property
    def encoder(self) -> Encoder:
        """Raises `ModelError`, `MissingExtra` or `UsageError`; so do the next two."""
        with self._lock:
            return models.load_encoder(self.settings)

    @cached_property
    def grouper(self) -> Grouper:
        with self._lock:
            return models.load_grouper(self.settings)

    @cached_property
    def ranker(self) -> Ranker:
        with self._lock:
            return models.load_ranker(self.settings)

    def _models(self) -> tuple[Encoder, Grouper, Ranker]:
        """The models in use now: where others were put to use since they were loaded, those are loaded instead.

        An open store then compares with the vectors of their encoder, as a process that starts now would.
        """
        with self._lock:
            seen = models.set_in_use(self.settings)
            if vars(self).setdefault("_seen", seen) != seen:
                for name in ("encoder", "grouper", "ranker"):
                    vars(self).pop(name, None)
                vars(self)["_seen"] = seen
                log.info("other models were put to use and are loaded", extra={"models": str(self.settings.models)})
                if "store" in vars(self):
                    self.store.events.compare_with(self.encoder.version)
            encoder = self.encoder
            return encoder, self.grouper, self.ranker

    def _second(self) -> SecondModels | None:
        """The models before, while a transition runs."""
        with self._lock:
            told = transition(self.settings.models)
            kept: tuple[Transition | None, SecondModels | None] = vars(self).get("_asked", (None, None))
            if kept[0] != told:
                asked = None if told is None else models_before(self.settings, told, self.store)
                kept = vars(self)["_asked"] = (told, asked)
            return kept[1]

    @cached_property
    def store(self) -> SqlStore:
        """The database, made or migrated where needed. Raises `StoreError` or `UsageError`."""
        with self._lock:
            if "store" in vars(self):  # another thread was first
                made: SqlStore = vars(self)["store"]
                return made
            url = self.settings.database
            return SqlStore(
                url,
                new_index=ExemplarIndex,
                encoder=self._encoder_version,
                indexes=None if url == MEMORY else self.settings.indexes,
            )

    @property
    def _encoder_version(self) -> str:
        """Which vectors the store's index holds. Known without loading the encoder, where that is the static one."""
        if self.settings.encoder == "static":
            return models.told_version("encoder", self.settings)
        return self.encoder.version

    @cached_property
    def strategies(self) -> tuple[Strategy, ...]:
        """Every fix strategy, the built-in ones and those of entry points."""
        from ems_ml.strategies import load_strategies

        return load_strategies()

    def line(self, *, source: Path | None = None, record: bool = True) -> Pipeline:
        """The straight line. `source`: a folder whose code fills in lines that a trace lacks.

        `record`: False answers without storing, counting or publishing anything.
        """
        encoder, grouper, ranker = self._models()
        reader: SourceTree | None = None
        store: CountingStore
        if source is not None:
            from ems_ml.repo import DirectoryTree

            reader = DirectoryTree(source)
        if record:
            store, bus = self.store, self.bus
        else:
            from ems_ml.build.dry import DryStore

            store, bus = DryStore(self.store), Bus()
        return Pipeline(
            second=self._second() if record else None,
            parser=self.parser,
            redactor=self.redactor,
            normalizer=self.normalizer,
            encoder=encoder,
            grouper=grouper,
            ranker=ranker,
            store=store,
            bus=bus,
            reader=reader,
        )

    def understand(self, report: RawReport) -> ErrorEvent:
        """Parse and redact only: what may be stored. Needs no model."""
        return self.redactor.redact(self.parser.parse(report))

    def rank(self, event: ErrorEvent) -> tuple[RankedStrategy, ...]:
        """Every strategy for an event, best first."""
        signatures = [self.normalizer.normalize(event)]
        encoder, _, ranker = self._models()
        return ranker.rank(signatures, encoder.encode(signatures))[0]

    def repair(
        self,
        repo: Path,
        event: ErrorEvent,
        *,
        test_command: str | None = None,
        budget: float = 300.0,
        python: str | None = None,
        branch: str | None = None,
        publish: bool = True,
    ) -> Verdict:
        """A repair of `event` in a git repository, proven by its own tests. See `ems_ml.fix.repair`."""
        from ems_ml.fix import repair

        return repair(
            repo,
            event,
            ranking=self.rank,
            strategies=self.strategies,
            test_command=test_command,
            budget_seconds=budget,
            python=python,
            branch=branch,
            publish=publish,
        )

    def warm_up(self) -> None:
        """Load what answering needs, so that the first answer is as fast as the others."""
        self.line()

    def close(self) -> None:
        """Drain the subscribers, then close what was opened."""
        self.bus.close()
        if "store" in vars(self):
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def build(settings: Settings) -> System:
    """The system that these settings describe. Nothing is opened or loaded before it is used."""
    return System(settings)
