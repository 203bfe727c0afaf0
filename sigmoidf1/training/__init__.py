"""Packed training: K configurations × S seeds of a head as one tensor program."""
