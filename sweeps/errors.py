"""What this package raises when a spec or a run breaks a rule."""


class SpecError(ValueError):
    """A spec breaks a rule; the text is one line: rule, what was got, what to do."""


class SweepError(RuntimeError):
    """A sweep cannot go on; the text is one line: what happened, what to do."""
