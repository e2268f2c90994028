"""Devices: a module a kind, with its `BACKEND`; what each answers, `protocol`; the one `registry`."""
