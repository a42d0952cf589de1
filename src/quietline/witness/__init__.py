"""A witness: a small program on somebody else's machine that signs a ledger's checkpoints only while they agree."""
