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
_PAGE = Path(streamlit.__file__).parent / "static" / "index.html"
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def _sums() -> str:
    scripts = _INLINE.findall(_PAGE.read_text("utf-8"))
    sums = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts)
    return " ".join(f"'sha256-{one}'" for one in sums)


RULES = {
    "default-src": "'self'",
    "script-src": f"'self' blob: {_sums()}",  # blob: is how Streamlit loads a component's script
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
POLICY = "; ".join(f"{what} {whence}" for what, whence in RULES.items())
