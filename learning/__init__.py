"""Models: rows and labels, training, validation, versions and their gates."""
