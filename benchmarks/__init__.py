"""Figures that commands write: timings beside references, and what is promised."""
