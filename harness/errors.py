"""The one root of what this project refuses: one clear line that names what would have worked."""


class HarnessError(Exception):
    """A refusal in one sentence; the command line prints it and exits with status 2."""
