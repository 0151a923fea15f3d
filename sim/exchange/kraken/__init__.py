"""The exchange in Kraken's words: WebSocket v2 and REST, over the same core as every other dialect."""
