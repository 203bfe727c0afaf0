"""Samplers: which cells a sweep is to try, and which of them get more seeds or epochs."""
