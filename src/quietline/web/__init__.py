"""The desk: one page, an API and an event stream."""
