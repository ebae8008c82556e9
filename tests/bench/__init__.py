"""Measurements, each a command of its own: ``python -m tests.bench.startup``, ``python -m tests.bench.first_picture``."""
