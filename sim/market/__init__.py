"""The market around the swarm: a price process and the order flow of everybody else."""
