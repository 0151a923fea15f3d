"""Binance spot, real or simulated."""
