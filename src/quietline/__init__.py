"""Quietline: a call router that shows nobody more of a customer than the call needs."""
