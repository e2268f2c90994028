"""What recording gradients costs a PyTorch model, in time and in exact bytes."""

__version__ = "0.1.0"
