"""Who may see the dashboard: accounts, sessions, the log-in page, and what browsers may do."""
