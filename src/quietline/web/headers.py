"""The security headers of every answer. Nothing inline is allowed, so no nonce is needed."""

from __future__ import annotations

from quietline.web.site import Site

HSTS_SECONDS = 31_536_000


def content_security_policy(site: Site) -> str:
    """CSP Level 3. The only other origin the page may speak to is the signalling socket on its own host."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "font-src 'self'",
            "img-src 'self'",
            f"connect-src 'self' {site.phone_socket}",
            "media-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def security_headers(site: Site) -> list[tuple[bytes, bytes]]:
    """As ASGI wants them. OWASP Secure Headers Project; Permissions-Policy keeps all but the microphone off."""
    plain = {
        "content-security-policy": content_security_policy(site),
        "strict-transport-security": f"max-age={HSTS_SECONDS}",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "permissions-policy": "microphone=(self), camera=(), geolocation=(), display-capture=(), payment=(), usb=()",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
        "x-robots-tag": "noindex",
    }
    return [(name.encode(), value.encode()) for name, value in plain.items()]
