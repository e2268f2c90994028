"""What this instrument resolves on this machine: many pairs of known difference, timed and judged."""
