"""What holds where a user says nothing; importing this costs nothing."""

DEFAULT_URL = "sqlite:///sigmoidf1.db"
