"""Proofs of what the documents say about libraries: each runs the library."""
