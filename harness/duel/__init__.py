"""The same cases in two interpreters or two commits, measured against each other: workers and a referee."""
