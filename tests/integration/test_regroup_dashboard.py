"""The card Regroup of the page Train, drawn by Streamlit's own test driver: look, undo, end."""

from __future__ import annotations

from pathlib import Path

import pytest
from regroup_worlds import dump, grown, other_models, traces
from streamlit.testing.v1 import AppTest

from ems_ml.build import apply_regrouping, build
from ems_ml.service import dashboard
from ems_ml.service.dashboard import state
from ems_ml.settings import Settings

PAGE = Path(dashboard.__file__).parent / "screens" / "train.py"

pytestmark = pytest.mark.slow


def text(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(str(one.proto) for one in page.main if one.type == "html") + "\n".join(
        str(one.proto) for one in page.get("html")
    )


def test_what_would_change_is_shown_and_what_was_done_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = grown(tmp_path / "home", traces()[:50])
    name = other_models(home, join=0.5, suggest=0.2)
    monkeypatch.setenv("EMS_HOME", str(home))
    before = dump(home)
    state.system.clear()
    try:
        page = AppTest.from_file(str(PAGE), default_timeout=120).run()
        look = next(one for one in page.button if one.label == "Look what would change")
        next(one for one in page.selectbox if one.label == "By these models").set_value(name)
        page = look.click().run()
        assert "merged" in text(page)
        assert "The models themselves expect" in text(page)
        assert [one.value for one in page.code if one.value.startswith("ems regroup")] == [
            f"ems regroup --models {name}"
        ]
        assert dump(home) == before
        with build(Settings(home=home)) as system:
            (made,) = apply_regrouping(system, version=name)
        page = AppTest.from_file(str(PAGE), default_timeout=120).run()
        assert made.id in text(page)
        assert "is asked beside it until" in text(page)
        page = next(one for one in page.button if one.key == "regroup-undo").click().run()
        assert "undone" in text(page)
        assert dump(home) == before
    finally:
        state.system().close()
        state.system.clear()
