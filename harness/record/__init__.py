"""What is written down: the schema, its codec and the files. No torch here."""
