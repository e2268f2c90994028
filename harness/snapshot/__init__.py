"""A baseline of a suite: exact values of its tests, kept in a file and held against the next run."""
