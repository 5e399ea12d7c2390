"""The features of real pairs, as `models/grouper` learned to read them.

`pair_features.json` holds errors of the training data, by project, and the features of each one beside each other one
of its project (`ToyEncoder` gave the vectors). A change of these numbers makes every trained model invalid.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from toy_steps import ToyEncoder

from ems_ml.group.common import Commonness
from ems_ml.group.pairs import FEATURE_NAMES, features_beside, pair_features
from ems_ml.store.codec import from_plain
from ems_ml.types import Signature

PROJECTS = json.loads((Path(__file__).parent / "pair_features.json").read_text())


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project["project"])
def test_real_pairs_have_the_features_that_the_models_learned_from(project: dict[str, list[object]]) -> None:
    signatures = [from_plain(Signature, one) for one in project["signatures"]]
    vectors = ToyEncoder().encode(signatures)
    common = Commonness()
    for signature in signatures:
        common.add(signature)
    others = list(zip(signatures, vectors, strict=True))
    told = np.asarray(project["features"])
    assert told.shape == (len(signatures), len(signatures), len(FEATURE_NAMES))
    for (here, vector), rows in zip(others, told, strict=True):
        found = features_beside(here, vector, others, common)
        np.testing.assert_allclose(found, rows, rtol=2e-6, atol=1e-7)
        for (there, other), row in zip(others, found, strict=True):
            assert (pair_features(here, vector, there, other, common) == row).all()
