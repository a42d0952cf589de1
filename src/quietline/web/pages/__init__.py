"""Jinja2 templates. They hold no personal data: what is personal arrives through the API, after the page."""
