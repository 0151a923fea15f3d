"""History: market data recorded into Parquet, imported, queried and replayed."""
