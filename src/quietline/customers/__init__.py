"""Customers from a file: how its columns map to fields, its rows read with suspicion, and how far an import is.

Pure but for `position.py` and the file that is read. Values pass through; errors and reasons name rows and fields only.
"""
