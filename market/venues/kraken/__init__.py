"""Kraken spot: WebSocket API v2 for market data and orders, REST for what only it tells."""
