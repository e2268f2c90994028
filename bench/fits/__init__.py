"""Plans that fit real models into shares of their memory, and what other tools say of the same models."""
