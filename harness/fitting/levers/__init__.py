"""The levers: what can be changed in a training step so that it needs less memory, a module each."""
