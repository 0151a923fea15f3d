"""What leaves a region, blurred by how much, and who may read it."""
