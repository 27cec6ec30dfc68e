"""The Content-Security-Policy header: browsers load nothing but what this server sends.

A second line of defence: should a visitor's text ever end up as markup, no browser would contact
another server or run a foreign script.
"""

import base64
import hashlib
import re
from pathlib import Path

import streamlit

# Streamlit's index.html has an inline script; its hash allows it, and no other inline script runs.
_INDEX_HTML = Path(streamlit.__file__).parent / "static" / "index.html"
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def _hash_inline_scripts() -> str:
    scripts = _INLINE_SCRIPT.findall(_INDEX_HTML.read_text("utf-8"))
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


DIRECTIVES = {
    "default-src": "'self'",
    # Streamlit loads the script of a component as a blob.
    "script-src": f"'self' blob: {_hash_inline_scripts()}",
    "style-src": "'self' 'unsafe-inline'",  # Streamlit and Plotly insert styles at run time
    "img-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' data: blob:",  # data: for the camera's pictures
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'self'",
}
CONTENT_SECURITY_POLICY = "; ".join(f"{name} {sources}" for name, sources in DIRECTIVES.items())
