"""What `import ems_ml` offers: one screen of names, each with an example that works, and nothing loaded before use."""

from __future__ import annotations

import doctest
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ems_ml
from ems_ml.errors import InputError, UsageError

NAMES = [name for name in ems_ml.__all__ if name != "__version__"]
TRACE = """Traceback (most recent call last):
  File "shop/prices.py", line 3, in price_of
    return prices[name]
KeyError: {!r}
"""


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_has_an_example_that_works(name: str) -> None:
    thing = getattr(ems_ml, name)
    found = doctest.DocTestFinder(recurse=False).find(thing, name, globs={name: thing} | _siblings())
    assert sum(len(test.examples) for test in found) > 0, f"{name} has no example"
    runner = doctest.DocTestRunner(verbose=False)
    for test in found:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def _siblings() -> dict[str, object]:
    return {name: getattr(ems_ml, name) for name in NAMES}


def test_the_screen_lists_the_public_names_and_no_others() -> None:
    assert dir(ems_ml) == sorted(ems_ml.__all__)
    assert len(ems_ml.__all__) <= 12
    assert ems_ml.__version__ == version("ems-ml")
    with pytest.raises(AttributeError, match="__all__"):
        _ = ems_ml.no_such_name


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import ems_ml; dir(ems_ml)", "numpy pydantic sklearn importlib.metadata"),
        (
            "import ems_ml; ems_ml.classify('KeyError: 1', url='sqlite://')",
            "sklearn scipy pandas torch mlflow pyarrow libcst",
        ),
    ],
)
def test_nothing_is_loaded_before_it_is_used(code: str, absent: str, tmp_path: Path) -> None:
    script = f"{code}\nimport sys\nprint(*(name for name in {absent.split()!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == []


def test_texts_classified_together_and_alone_get_one_pattern(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ems.db'}"
    first = ems_ml.classify(TRACE.format("tea"), url=url, project="shop")
    both = ems_ml.classify([TRACE.format("milk"), "OSError: disk full"], url=url, project="shop")
    assert both[0]["pattern"]["id"] == first["pattern"]["id"] != both[1]["pattern"]["id"]
    told = {pattern.id: pattern.count for pattern in ems_ml.patterns("shop", url=url)}
    assert told == {first["pattern"]["id"]: 2, both[1]["pattern"]["id"]: 1}
    assert ems_ml.patterns("another", url=url) == []


def test_classify_without_a_record_stores_nothing_and_refuses_an_empty_text(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ems.db'}"
    ems_ml.classify(TRACE.format("tea"), url=url, record=False)
    assert ems_ml.patterns(url=url) == []
    with pytest.raises(InputError, match="no error"):
        ems_ml.classify(" \n", url=url)


@pytest.mark.parametrize(
    "estimator",
    [
        ems_ml.TraceEncoder(encoder=None),
        ems_ml.PatternGrouper(threshold=0.7),
        ems_ml.StrategyRanker(C=3.0, min_groups=1),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_estimators_clone_and_take_their_parameters_back(estimator: object) -> None:
    copied = clone(estimator)
    assert copied is not estimator
    assert copied.get_params() == estimator.get_params()
    for name, value in estimator.get_params().items():
        assert copied.set_params(**{name: value}) is copied


def test_rows_frames_and_signatures_give_the_same_vectors() -> None:
    frame = ems_ml.load_data("fault", "tune").head(5)
    encoder = ems_ml.TraceEncoder().fit(frame)
    of_frame = encoder.transform(frame)
    assert of_frame.shape == (5, encoder.n_features_out_) == (5, len(encoder.get_feature_names_out()))
    np.testing.assert_array_equal(of_frame, encoder.transform(frame.to_dict("records")))
    texts = ["KeyError: 'tea'", ""]
    np.testing.assert_array_equal(encoder.transform(texts), encoder.transform([{"text": text} for text in texts]))


def test_the_encoder_is_a_step_of_a_scikit_learn_pipeline() -> None:
    texts = [TRACE.format("tea"), "OSError: disk full"]
    piped = make_pipeline(ems_ml.TraceEncoder(), StandardScaler()).fit_transform(texts)
    assert piped.shape[0] == 2


@pytest.mark.parametrize("bad", ["one text", [3], [None]])
def test_what_is_no_list_of_reports_is_refused(bad: object) -> None:
    with pytest.raises(UsageError):
        ems_ml.TraceEncoder().fit_transform(bad)


def test_a_grouper_wants_a_threshold_that_is_a_probability() -> None:
    with pytest.raises(UsageError, match="threshold"):
        ems_ml.PatternGrouper(threshold=1.5).fit(["KeyError: 1", "KeyError: 2"])


def test_too_few_reports_for_a_ranker_are_an_error_with_a_remedy() -> None:
    with pytest.raises(UsageError, match="no feature") as told:
        ems_ml.StrategyRanker(min_groups=9).fit(["KeyError: 1", "OSError: 2"], ["a", "b"])
    assert "min_groups" in told.value.hint
