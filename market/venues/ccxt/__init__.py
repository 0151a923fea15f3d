"""Any exchange that ccxt knows: slower than a native adapter, and as careful."""
