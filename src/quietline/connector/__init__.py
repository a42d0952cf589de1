"""Keeps orders in step with a shop system over its own API: WooCommerce's REST v3 and webhooks.

A process and a user of its own: it may ask the vault one thing, to store what the shop says, and can read nothing back.
"""
