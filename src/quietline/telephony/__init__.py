"""Legs and media: the SIP endpoint, the edge (Kamailio) and the relay (rtpengine)."""
