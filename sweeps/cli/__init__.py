"""The command line, ``sigmoidf1``; heavy imports happen inside the commands."""
