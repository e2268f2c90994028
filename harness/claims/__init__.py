"""Statements about gradients, freezing and weight decay, each put to the test."""
