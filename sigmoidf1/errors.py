"""What this package raises when its input breaks a rule."""


class InputError(ValueError):
    """A rule on input was broken; the text is one line: rule, what was got, what to do."""
