"""Benches: each prints a table and writes its rows to bench/out/<name>.json. `python -m bench [NAME...]` runs them."""
