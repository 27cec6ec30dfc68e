"""Addresses of this server: the one in the browser, and the computer's in its networks."""

import ipaddress
from socket import AF_INET
from urllib.parse import urlencode, urlsplit, urlunsplit

import psutil

LOCAL_URL = "http://localhost:8501/room"  # used if the browser sends no address
# Interfaces of containers, virtual machines and VPNs: other people cannot connect through them.
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
    """Return the address of the page without its query."""
    parts = urlsplit(url or LOCAL_URL)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def is_loopback(url: str) -> bool:
    """Return whether the host means the computer itself: "localhost", 127.0.0.1, 0.0.0.0 …"""
    host = urlsplit(url).hostname or ""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return ip.is_loopback or ip.is_unspecified


def list_network_urls(url: str) -> list[str]:
    """Return `url` with each of this computer's IPv4 addresses, home networks (192.168.) first.

    Reads the local interfaces; sends nothing.
    """
    parts, up = urlsplit(url), psutil.net_if_stats()
    hosts = [
        address.address
        for name, addresses in psutil.net_if_addrs().items()
        if not name.startswith(VIRTUAL_INTERFACE_PREFIXES) and (name not in up or up[name].isup)
        for address in addresses
        if address.family == AF_INET and _is_reachable(address.address)
    ]
    hosts.sort(key=lambda host: not host.startswith("192.168."))
    port = f":{parts.port}" if parts.port else ""
    return [urlunsplit(parts._replace(netloc=f"{host}{port}")) for host in hosts]


def _is_reachable(host: str) -> bool:
    ip = ipaddress.ip_address(host)
    return not (ip.is_loopback or ip.is_link_local or ip.is_unspecified)


def is_url(text: str) -> bool:
    """Return whether the typed `text` is an http(s) address without a query."""
    try:
        parts = urlsplit(text.strip())
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query
    except ValueError:
        return False


def add_query(url: str, **params: str) -> str:
    """Return `url` with `params` as its query."""
    return f"{url}?{urlencode(params)}"
