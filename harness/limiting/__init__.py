"""BlockLimits in one line: exact bytes and counts of a block, a function or a test."""
