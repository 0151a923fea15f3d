"""The federation as processes: a SuperLink, a SuperNode for each region, and the run between them."""
