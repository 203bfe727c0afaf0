"""One module a page: its path, its name, its layout and its callbacks."""
