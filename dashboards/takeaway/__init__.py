"""What is taken away from the dashboard: figures as files, their data, and JSON."""
