"""Runnable modules: `python -m experiments` lists them."""
