"""Training: one function for trainers and federation alike, its validation, its figures and its report."""
