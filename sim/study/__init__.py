"""What arbitrage earns in the simulator as latency grows: a bot as the field writes it, and ours."""
