"""The loop that joins regions: a pure core."""
