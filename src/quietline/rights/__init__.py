"""The rights of the customer (GDPR 12 to 22), retention, and what a breach asks for. `desk.py` joins pure decisions."""
