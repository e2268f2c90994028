"""What paired samples mean: ratios, intervals and verdicts, from numbers alone."""
