"""What outlives one drawing of a page: the wired system, and how its errors are shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from ems_ml.build import System, build
from ems_ml.errors import EmsError
from ems_ml.service import app
from ems_ml.service.dashboard.components import problem
from ems_ml.service.views import Health
from ems_ml.settings import load_settings


@st.cache_resource(show_spinner="Opening the store and the models")  # type: ignore[untyped-decorator]  # see pyproject
def system() -> System:
    """The wired system of this process, made once for all who look."""
    return build(load_settings())


@st.cache_resource(show_spinner=False, ttl="60s")  # type: ignore[untyped-decorator]  # see pyproject
def health() -> Health:
    """What the doctor saw within the last minute."""
    return app.doctor(load_settings())


@contextmanager
def guarded() -> Iterator[None]:
    """Show an `EmsError` as one clear line with its remedy, where the page would have stood."""
    try:
        yield
    except EmsError as error:
        problem(error)
