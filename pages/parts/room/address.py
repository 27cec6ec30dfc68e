"""The address of a room that other people can open, and its QR code."""

import segno
import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.session import server_url
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.svg import draw_svg
from trainers.hosting.rooms import Room, get_rooms


def choose_address(room: Room) -> str:
    """Draw the address that others open, with alternatives, and return the link to the room."""
    browser = server_url.strip_query(st.context.url)
    options = [browser] if not server_url.is_loopback(browser) else []
    options += [url for url in server_url.list_network_urls(browser) if url not in options]
    chosen = room.address or (options[0] if options else browser)
    st.markdown(f"Others open **{escape_markdown(chosen)}** and type:")
    with st.popover("Is this address right?", icon=":material/lan:"):
        if server_url.is_loopback(browser):
            st.markdown(
                "Your browser calls this computer “localhost”, which every computer says of "
                "itself. Others need its address in your network."
            )
        typed = st.selectbox(
            "Address that people use",
            dict.fromkeys([chosen, *options]),
            accept_new_options=True,
            key=f"address-{room.code}",
            help="Choose one, or type what your network calls this computer.",
        )
        if typed and not server_url.is_url(typed):
            st.warning("An address begins with http:// or https://.", icon=":material/error:")
        elif typed and typed != chosen:
            get_rooms().set_address(room.code, current_visitor(), typed)
            st.rerun()
        if st.get_option("server.address") in ("localhost", "127.0.0.1"):
            st.warning(
                "This server answers this computer alone: it was started with --server.address. "
                "Start it without.",
                icon=":material/lan:",
            )
        st.caption("If a phone does not reach it: same network? Does a firewall let it through?")
    return server_url.add_query(chosen, room=room.code)


def guess_address() -> str:
    """Return the address at which people most likely reach this server."""
    browser = server_url.strip_query(st.context.url)
    if not server_url.is_loopback(browser):
        return browser
    return next(iter(server_url.list_network_urls(browser)), browser)


def draw_qr_code(url: str, room: Room) -> None:
    """Draw the link as a QR code, black on white in every theme so that cameras can read it."""
    drawing = segno.make(url, error="m", micro=False).svg_inline(
        border=3, dark="#000", light="#fff", omitsize=True
    )
    attributes = (
        f'role="img" aria-label="QR code that leads into the room {room.code}" width="100%"'
    )
    draw_svg(drawing.replace("<svg ", f"<svg {attributes} ", 1), key="qr")
