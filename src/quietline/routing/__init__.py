"""The matcher: events in, assignments out. Pure."""
