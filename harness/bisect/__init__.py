"""`harness bisect`: the first commit after which a target takes other bytes or counts."""
