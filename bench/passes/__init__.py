"""How long exact numbers of real models take, in plain training steps of the same model."""
