"""How it is measured: time in pairs, bytes and counts exactly, each in passes of their own."""
