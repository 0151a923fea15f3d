"""Values, units, ids, errors and protocols: what every other package talks in."""
