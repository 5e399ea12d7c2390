"""The methods that grouping is judged beside, on small streams whose answers are worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from toy_steps import ToyEncoder

from ems_ml.align import fast_similarity
from ems_ml.normalize import NormalizerV1
from ems_ml.train.grouping.alignments import FaST, PrefixMatch, TraceSim
from ems_ml.train.grouping.bags import Embedding, Tfidf, terms_of
from ems_ml.train.grouping.ceiling import Ceiling, ceilings, equal_traces
from ems_ml.train.grouping.methods import PairMethod
from ems_ml.train.grouping.rules import Bugsink, ExactSignature, Rollbar, Sentry
from ems_ml.train.grouping.stream import Stream, own, streams, taught
from ems_ml.train.grouping.tuning import best_threshold, search
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame


def error(stack: Sequence[str], *, kind: str = "ValueError", message: str = "bad", lines: int = 1) -> ErrorEvent:
    """An error whose stack is `stack`, outermost first; a small letter is the application's, a capital a library's."""
    frames = tuple(
        Frame(
            file=f"pkg/{name.lower()}.py",
            function=name,
            line=lines,
            in_app=name.islower(),
            shape=("Call",),
            words=(name,),
        )
        for name in stack
    )
    told = ExceptionRecord(type=kind, message=message, frames=frames)
    return ErrorEvent(id="e", error=told, project="p")


def stream(*errors: tuple[ErrorEvent, str]) -> Stream:
    """In the order given: each is a release later than the one before."""
    numbered = [(replace(one, id=str(k), release=str(k)), cause) for k, (one, cause) in enumerate(errors)]
    (made,) = streams(numbered, NormalizerV1(), releases=True)
    return made


def scores(method: PairMethod, *stacks: str) -> list[float]:
    """What the last of the stacks has in common with each earlier one."""
    last = method.matrix(stream(*((error(stack), stack) for stack in stacks)))[-1]
    return [float(value) for value in last[:-1]]


def test_prefix_match_counts_frames_in_a_row_from_the_raise_point() -> None:
    assert scores(PrefixMatch(), "abcd", "xbcd", "abcx", "cd", "abcd") == [1.0, 0.75, 0.0, 0.5]


def test_tracesim_is_one_minus_the_distance_over_the_weight() -> None:
    flat = TraceSim(alpha=0.0, beta=0.0, gamma=0.0)  # every frame weighs one half
    assert scores(flat, "abcd", "abxd", "abd", "yz", "abcd") == pytest.approx([1.0, 6 / 8, 6 / 7, 0.0])
    near = TraceSim(alpha=1.0, beta=0.0, gamma=0.0)  # ab against xb: 2 * 1 of 2 * (1 + 1/2)
    assert scores(near, "xb", "ab") == pytest.approx([2 / 3])


def test_tracesim_weighs_rare_frames_more() -> None:
    sharp = TraceSim(alpha=0.0, beta=1.0, gamma=0.0)
    rare, common = 1 / (1 + math.exp(-math.log(3 / 1))), 1 / (1 + math.exp(-math.log(3 / 3)))
    two = 1 / (1 + math.exp(-math.log(3 / 2)))
    # b is in all three, x in two, a in one
    assert scores(sharp, "xb", "xb", "ab") == pytest.approx([2 * common / (2 * common + two + rare)] * 2)


def test_fast_is_the_similarity_that_the_project_has_already() -> None:
    stacks = ("abcd", "abab", "dcba", "abad", "abca")
    made = stream(*((error(stack), stack) for stack in stacks))
    method = FaST(alpha=0.5, beta=1.0, gamma=0.2)
    places = [[(frame.file, frame.function) for frame in one.frames] for one in made.signatures]
    seen: dict[tuple[str, str], int] = {}
    for stack in places:
        for place in set(stack):
            seen[place] = seen.get(place, 0) + 1
    expected = [fast_similarity(places[-1], one, frequency=seen, traces=5) for one in places[:-1]]
    assert method.matrix(made)[-1, :-1] == pytest.approx(expected)


def test_tfidf_is_the_cosine_of_weighed_counts() -> None:
    method = Tfidf(terms="frames", background=False, root=False)
    common, rare = 1 + math.log(3 / 3), 1 + math.log(3 / 2)
    assert scores(method, "ab", "cb") == pytest.approx([common**2 / (common**2 + rare**2)])


def test_tfidf_counts_a_corpus_where_it_is_told_to() -> None:
    corpus = stream(*((error("b"), "c") for _ in range(6))).signatures
    without = scores(Tfidf(corpus=corpus, terms="frames", background=False), "ab", "cb")
    within = scores(Tfidf(corpus=corpus, terms="frames", background=True), "ab", "cb")
    assert within[0] < without[0]  # what they share is common elsewhere


def test_terms_are_frames_words_or_both() -> None:
    (signature,) = stream((error("ab"), "c")).signatures
    frames, words = terms_of(signature, "frames"), terms_of(signature, "words")
    assert sorted(frames) == ["pkg/a.py:a", "pkg/b.py:b"]
    assert terms_of(signature, "both") == frames + words


def test_the_embedding_alone_is_a_cosine() -> None:
    made = stream((error("ab"), "1"), (error("ab"), "1"), (error("xyz", kind="KeyError", message="no"), "2"))
    matrix = Embedding(encoder=ToyEncoder()).matrix(made)
    assert matrix[1, 0] == pytest.approx(1.0)
    assert matrix[2, 0] < 0.9
    assert matrix[0, 0] == -np.inf


@pytest.mark.parametrize(
    ("method", "same"),
    [
        # with: equal; other message; other type; other caller in the application; other library frames
        (ExactSignature(), [True, False, False, False, True]),
        (Bugsink(), [True, False, False, True, True]),
        (Sentry(), [True, True, False, False, True]),
        (Rollbar(), [True, True, False, False, False]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_rule_calls_the_same_what_its_maker_says(method: PairMethod, same: list[bool]) -> None:
    made = stream(
        (error("abL"), "1"),
        (error("abL", message="worse luck"), "2"),
        (error("abL", kind="KeyError"), "3"),
        (error("xbL"), "4"),
        (error("abM"), "5"),
        (error("abL"), "1"),
    )
    last = method.matrix(made)[-1]
    assert (last[:-1] > 0).tolist() == same
    assert set(last[:-1].tolist()) <= {1.0, -np.inf}


def test_sentrys_rule_falls_back_to_the_message() -> None:
    told = ("lost 1 of 2", "gone", "lost 3 of 4")
    made = stream(*((error("", message=message), message) for message in told))
    assert (Sentry().matrix(made)[-1][:-1] > 0).tolist() == [True, False]


def test_a_taught_replay_ranks_patterns_by_their_best_member() -> None:
    causes = np.asarray([0, 1, 0, 1, 2])
    matrix = np.full((5, 5), -np.inf)
    matrix[1, 0] = 0.2
    matrix[2, :2] = [0.1, 0.9]
    matrix[3, :3] = [0.5, 0.5, 0.3]  # a tie: the pattern that was seen last comes first
    matrix[4, :4] = [0.3, 0.4, 0.1, 0.2]
    told = taught(matrix, causes)
    assert told.rank.tolist() == [0, 0, 2, 2, 0]
    assert told.best.tolist() == [-np.inf, 0.2, 0.9, 0.5, 0.4]
    assert told.right.tolist() == [False, False, False, False, False]


def test_a_replay_on_its_own_joins_from_the_threshold_on() -> None:
    causes = np.asarray([0, 1, 0, 1])
    matrix = np.full((4, 4), -np.inf)
    matrix[1, 0] = 0.4
    matrix[2, :2] = [0.5, 0.9]  # into the pattern of the second: wrong
    matrix[3, :3] = [0.1, 0.5, 0.2]
    told = own(matrix, causes, 0.5)
    assert told.labels.tolist() == [0, 1, 1, 1]
    assert told.joined.tolist() == [False, False, True, True]
    assert told.wrong.tolist() == [False, False, True, False]


def test_the_threshold_is_the_one_with_the_best_pairwise_f1() -> None:
    made = stream((error("a"), "1"), (error("b"), "2"), (error("a"), "1"))
    matrix = np.full((3, 3), -np.inf)
    matrix[1, 0], matrix[2, 0], matrix[2, 1] = 0.6, 0.8, 0.1
    assert best_threshold([matrix], [made]) == 0.8


def test_the_search_changes_one_parameter_at_a_time() -> None:
    grid = {"x": (0, 1, 2), "y": (0, 1, 2)}
    assert search(grid, {"x": 0, "y": 0}, lambda s: -abs(s["x"] - 2) - abs(s["y"] - 1)) == {"x": 2, "y": 1}
    assert search(grid, {"x": 1, "y": 2}, lambda s: 0.0) == {"x": 1, "y": 2}  # of equal ones the one held


def test_a_method_is_tuned_on_the_streams_it_is_given() -> None:
    made = stream((error("ab"), "1"), (error("xb"), "2"), (error("ab"), "1"), (error("xb"), "2"))
    method = TraceSim().fit([made])
    replay = method.replay(made)
    assert replay.own.labels.tolist() == [0, 1, 0, 1]
    assert replay.taught.rank.tolist() == [0, 0, 1, 1]


def test_the_ceiling_knows_all_but_which_of_equal_traces() -> None:
    first, second, third = (error("a"), "1"), (error("a", lines=2), "2"), (error("b"), "3")
    made = stream(first, second, first, third, second, first)
    as_grouped, as_read = (reader.replay(made) for reader in ceilings())
    assert as_grouped.own.labels.tolist() == [0, 0, 0, 1, 0, 0]
    assert as_grouped.own.wrong.tolist() == [False, True, False, False, True, False]
    assert as_grouped.taught.rank.tolist() == [0, 0, 1, 0, 2, 1]
    assert as_grouped.taught.best.tolist() == pytest.approx([-np.inf, 3 / 5, 1, 0, 1, 1])
    assert as_read.own.labels.tolist() == [0, 1, 0, 2, 1, 0]
    assert not as_read.own.wrong.any()
    assert as_read.taught.rank.tolist() == [0, 0, 1, 0, 1, 1]
    assert equal_traces([made]) == {"traces": 6, "as grouped": 5, "as read": 0}


def test_a_ceiling_that_reads_nothing_puts_all_together() -> None:
    made = stream((error("a"), "1"), (error("b"), "2"), (error("c"), "2"))
    assert Ceiling("blind", lambda trace: 0).replay(made).own.labels.tolist() == [0, 0, 0]


def test_the_order_of_a_project_does_not_hang_on_the_others() -> None:
    mine = [(error("a", message=str(k)), f"{k}") for k in range(9)]
    (alone,) = streams(mine, NormalizerV1(), seed=3)
    other = [(replace(one, project="o"), cause) for one, cause in mine]
    beside = {one.project: one for one in streams([*other, *mine], NormalizerV1(), seed=3)}
    assert [trace.cause for trace in alone.traces] == [trace.cause for trace in beside["p"].traces]
    assert [trace.cause for trace in alone.traces] != [cause for _, cause in mine]
