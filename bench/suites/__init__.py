"""Test suites that nobody here wrote, run with `pytest --harness-watch` and without it."""
