"""What to change so that a training step fits a memory limit, what that costs, proved by a run."""
