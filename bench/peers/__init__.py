"""The same work under several tools, side by side: what each resolves in time, and reads in bytes.

It is a command, `python -m bench.peers` from the root of the repository, and no test.
"""
