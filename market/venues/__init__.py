"""One package per venue dialect, each with `config`, `instruments` and `venue`; one contract holds."""
