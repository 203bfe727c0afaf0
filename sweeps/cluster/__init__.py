"""A cluster of several machines: its room, its versions, jobs that run on it."""
