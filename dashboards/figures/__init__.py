"""One file a figure: a data function and a plot function."""
