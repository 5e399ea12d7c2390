"""Use cases that look after the installation: the doctor."""

from __future__ import annotations

from ems_ml.build import System, examine, measure
from ems_ml.service.views import Health
from ems_ml.settings import Settings


def doctor(settings: Settings) -> Health:
    """Every check, and the machine. Takes settings, because a system may be what cannot be made."""
    return Health(checks=examine(settings), resources=measure(settings.home))


def health(system: System) -> Health:
    """The same for a system that runs."""
    return doctor(system.settings)
