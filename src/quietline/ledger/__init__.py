"""An append-only log that verifies elsewhere (C2SP tlog-tiles)."""
