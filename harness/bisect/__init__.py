"""`harness bisect`: the first commit, or version of torch, after which a target takes other bytes or counts."""
