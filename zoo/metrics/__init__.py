"""Metrics, as pairs (sum, weight)."""

from zoo.metrics.classification import accuracy as accuracy
