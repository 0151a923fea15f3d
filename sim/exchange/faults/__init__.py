"""Seeded faults of an exchange: a pure core that decides, and the shell that does it to real sockets."""
