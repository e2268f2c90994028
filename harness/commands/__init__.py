"""The commands, a file each: a function that parses, calls one other module, and prints."""
