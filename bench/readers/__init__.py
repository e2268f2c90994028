"""How long the commands that read stored runs take, and how that grows with the number of records."""
