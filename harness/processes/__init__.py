"""Processes that this one starts, and what they leave: both end with it, also when it is killed."""
