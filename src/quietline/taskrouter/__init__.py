"""Workflows of TaskRouter carried over, with a report of what could not be."""
