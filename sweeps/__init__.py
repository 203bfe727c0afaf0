"""What to run and how: spec, spaces, packs, Ray Tune scheduling, statistics, command line."""
