"""A test of truth: small models of as many architectures as there are, each with its books."""
