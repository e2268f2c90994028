"""`pytest --harness-watch`: what a test suite records and never uses, noticed while its tests run."""
