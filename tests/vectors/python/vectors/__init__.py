"""The vectors: one module for each file in tests/vectors, all described in tests/vectors/README.md."""
