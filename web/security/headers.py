"""The headers that every answer carries."""

from __future__ import annotations

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # `no-referrer` makes browsers send `Origin: null` with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
STRICT_TRANSPORT = "max-age=31536000"  # only over TLS


def headers_for(path: str, secure: bool) -> dict[str, str]:
    """Return the headers of an answer to `path`; what belongs to nobody may be kept by the browser."""
    cache = "no-cache" if path.startswith("/static/") else "no-store"
    strict = {"Strict-Transport-Security": STRICT_TRANSPORT} if secure else {}
    return {**ALWAYS, **strict, "Cache-Control": cache}
