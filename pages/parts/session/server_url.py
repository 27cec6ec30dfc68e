"""Where others find this server: the browser's own address, or the computer's in its network."""

import ipaddress
from socket import AF_INET
from urllib.parse import urlencode, urlsplit, urlunsplit

import psutil

LOCAL_URL = "http://localhost:8501/room"  # where a browser says nothing
# Of programs on this very computer: nobody else comes in by them.
VIRTUAL_INTERFACE_PREFIXES = (
    "docker",
    "br-",
    "veth",
    "virbr",
    "vmnet",
    "vEthernet",
    "utun",
    "tun",
    "tap",
)


def strip_query(url: str | None) -> str:
    """The address of the page itself, without what follows a question mark."""
    parts = urlsplit(url or LOCAL_URL)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def is_loopback(url: str) -> bool:
    """Whether only this computer understands it: "localhost", 127.0.0.1 and the like."""
    host = urlsplit(url).hostname or ""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return found.is_loopback or found.is_unspecified


def list_network_urls(url: str) -> list[str]:
    """`url` with each address that this computer has in a network, home networks first. Nothing
    is asked of the network for it."""
    parts, up = urlsplit(url), psutil.net_if_stats()
    hosts = [
        one.address
        for name, addresses in psutil.net_if_addrs().items()
        if not name.startswith(VIRTUAL_INTERFACE_PREFIXES) and (name not in up or up[name].isup)
        for one in addresses
        if one.family == AF_INET and _is_reachable(one.address)
    ]
    hosts.sort(key=lambda host: not host.startswith("192.168."))
    port = f":{parts.port}" if parts.port else ""
    return [urlunsplit(parts._replace(netloc=f"{host}{port}")) for host in hosts]


def _is_reachable(host: str) -> bool:
    found = ipaddress.ip_address(host)
    return not (found.is_loopback or found.is_link_local or found.is_unspecified)


def is_url(text: str) -> bool:
    """Whether `text`, typed by somebody, can stand in a link."""
    try:
        parts = urlsplit(text.strip())
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query
    except ValueError:
        return False


def add_query(url: str, **more: str) -> str:
    """The link that leads into a room."""
    return f"{url}?{urlencode(more)}"
