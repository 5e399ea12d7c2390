"""The scores, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ems_ml.train.scores import FrequentByType, auc_interval, by_cause, calibration, hits, interval, kappa, wilson


def test_the_baseline_orders_by_type_then_by_all_and_counts_a_cause_once() -> None:
    types = ["KeyError", "KeyError", "KeyError", "TypeError", "TypeError", "TypeError"]
    strategies = ["b", "b", "a", "c", "c", "c"]
    groups = ["g1", "g1", "g2", "g3", "g4", "g5"]  # b's two traces are one cause
    baseline = FrequentByType().fit(types, strategies, groups)
    assert baseline.order("KeyError") == ["a", "b", "c"]  # 1 cause each: by name; then what is left
    assert baseline.order("TypeError") == ["c", "a", "b"]
    assert baseline.order("OSError") == ["c", "a", "b"]  # never seen: the most frequent of all


def test_hits_count_the_first_k() -> None:
    orders = [["a", "b", "c"], ["b", "a", "c"], ["c", "b", "a"]]
    truth = ["a", "a", "a"]
    assert hits(orders, truth, 1).tolist() == [1, 0, 0]
    assert hits(orders, truth, 2).tolist() == [1, 1, 0]
    assert hits(orders, truth, 3).tolist() == [1, 1, 1]
    assert hits(orders, ["z", "z", "z"], 3).tolist() == [0, 0, 0]


def test_each_cause_weighs_the_same() -> None:
    assert by_cause(np.asarray([1.0, 0.0, 0.0, 1.0]), ["x", "y", "y", "y"]).tolist() == [1.0, pytest.approx(1 / 3)]


def test_the_interval_holds_the_mean_and_is_as_wide_as_theory_says() -> None:
    values = np.asarray([0.0, 1.0] * 200)
    value, low, high = interval(values)
    assert value == 0.5
    width = 2 * 1.96 * math.sqrt(0.25 / 400)  # the normal approximation of a share
    assert high - low == pytest.approx(width, rel=0.15)
    assert low < value < high
    assert interval(np.ones(9)) == (1.0, 1.0, 1.0)
    assert interval(values) == interval(values)


def test_calibration_error_is_the_weighted_gap_of_the_bins() -> None:
    stated = np.asarray([0.95, 0.95, 0.95, 0.95, 0.15])
    right = np.asarray([1.0, 1.0, 1.0, 0.0, 0.0])
    rows, error = calibration(stated, right)
    assert [(row["count"], row["right"]) for row in rows] == [(1, 0.0), (4, 0.75)]
    assert error == pytest.approx(0.8 * 0.2 + 0.2 * 0.15)
    perfect = calibration(np.asarray([1.0, 0.0]), np.asarray([1.0, 0.0]))
    assert perfect[1] == 0


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    scores = np.asarray([0.9, 0.8, 0.7, 0.1])
    same = np.asarray([1, 0, 1, 0])  # of 4 pairs (positive, negative) 3 are in order
    value, low, high = auc_interval(scores, same, ["a", "b", "c", "d"])
    assert value == 0.75
    assert low <= value <= high
    assert auc_interval(np.asarray([1.0, 1.0]), np.asarray([0, 1]), ["a", "b"])[0] == 0.5  # a tie is half


def test_an_interval_of_a_share_is_wilson_s() -> None:
    low, high = wilson(81, 263)  # Newcombe (1998), his first example
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(10, 10)[1] == pytest.approx(1)


def test_kappa_is_agreement_beyond_chance() -> None:
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert kappa(first, second) == pytest.approx(0.4)  # 0.7 agreed, 0.5 by chance
    assert kappa(["a", "b"], ["a", "b"]) == 1
    assert kappa(["a", "b"], ["b", "a"]) == -1
    assert math.isnan(kappa(["a"], ["a"]))
    assert math.isnan(kappa([], []))
