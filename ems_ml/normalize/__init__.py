"""Deciding what of an error may count as identity. Each version of the rules is a file, frozen once released."""

from ems_ml.normalize.rules import RuledNormalizer, RuledParsers, StackRules
from ems_ml.normalize.v1 import NormalizerV1

__all__ = ["NormalizerV1", "RuledNormalizer", "RuledParsers", "StackRules"]
