"""Deciding what of an error may count as identity. Each version of the rules is a file, frozen once released."""

from ems_ml.normalize.v1 import NormalizerV1

__all__ = ["NormalizerV1"]
