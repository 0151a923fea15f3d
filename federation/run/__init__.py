"""The Flower app, in one process, in Ray's simulation, or deployed."""
