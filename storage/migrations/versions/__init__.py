"""One file per revision of the store's tables; a released revision never changes."""
