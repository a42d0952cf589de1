"""The only place where stored values open: a process of its own."""
