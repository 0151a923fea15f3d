"""What an update must pass before it counts."""
