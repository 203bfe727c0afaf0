"""What people look at: figures, the static report and the Dash app."""
