"""What runs in a side's own interpreter: torch and the standard library are all that it may import."""
