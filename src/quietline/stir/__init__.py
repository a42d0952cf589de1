"""STIR/SHAKEN: what a carrier's signature says of a caller's number (RFC 8224, 8225, 8226, 8588).

Evidence and a grade, never a level: promise 6 rests on what a caller shows, not on who carried the call.
"""
