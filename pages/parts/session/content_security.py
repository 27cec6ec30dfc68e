"""What a browser may load on our pages: nothing from anywhere but this server.

So even where somebody's words became a picture or a link by a fault of ours, no viewer's browser
would ask a stranger for anything, and no script that did not come from here would run.
"""

import base64
import hashlib
import re
from pathlib import Path

import streamlit

# Streamlit's page has a line of script in it; it is known by its sum, as no other may run.
_INDEX_HTML = Path(streamlit.__file__).parent / "static" / "index.html"
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def _hash_inline_scripts() -> str:
    scripts = _INLINE_SCRIPT.findall(_INDEX_HTML.read_text("utf-8"))
    sums = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts)
    return " ".join(f"'sha256-{one}'" for one in sums)


DIRECTIVES = {
    "default-src": "'self'",
    "script-src": "'self' blob: "
    f"{_hash_inline_scripts()}",  # blob: is how Streamlit loads a component's script
    "style-src": "'self' 'unsafe-inline'",  # Streamlit and Plotly write styles as they go
    "img-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' data: blob:",  # data: is a picture of the camera on its way
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'self'",
}
CONTENT_SECURITY_POLICY = "; ".join(f"{what} {whence}" for what, whence in DIRECTIVES.items())
