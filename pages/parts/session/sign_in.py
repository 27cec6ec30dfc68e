"""Signing in and out, and what one had before: nothing of it where no sign-in is set up."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.session.visitor import current_account, current_account_name, current_browser
from trainers.hosting import accounts
from trainers.system.settings import is_hosted

Page = Any  # a page of st.navigation


def can_sign_in() -> bool:
    """Whether `[auth]` is in the secrets."""
    return "is_logged_in" in st.user


def can_enter() -> bool:
    """Whether this visitor may see pages: everybody, unless a sign-in is asked for."""
    return current_account() is not None or not is_hosted()


def draw_login_page(page: Page) -> None:
    """What who has to sign in sees in place of `page`: nothing of it."""
    st.title("Thaw")
    st.markdown(
        "*Freeze it, fine-tune it, or thaw it step by step?* Thaw asks three questions, says which "
        "way suits your task, and runs it before your eyes."
    )
    if not can_sign_in():
        st.warning(
            "This Thaw asks for a sign-in, but none is set up, so nobody can come in. Whoever runs "
            "it: put an [auth] section into Streamlit's secrets.toml, or leave out THAW_HOSTED.",
            icon=":material/lock:",
        )
        return
    st.markdown("Sign in, so that your runs and your data are yours alone, on any computer.")
    st.button(
        "Sign in", type="primary", icon=":material/login:", on_click=_start_login, args=(page,)
    )
    st.caption(
        ":material/lock: Your name and address are not kept: what you do here is filed under a "
        "number that cannot be turned back into your account."
    )
    if st.user.get("is_logged_in"):
        st.warning(
            "Your sign-in did not say who you are (no `iss` and `sub`), so it cannot be used.",
            icon=":material/error:",
        )


def _start_login(page: Page) -> None:
    accounts.save_redirect(current_browser(), page.url_path, st.query_params.to_dict())
    st.login()


def restore_redirect() -> None:
    """Once after a sign-in: to the page that one came from."""
    if current_account() is None or st.session_state.get("led-back"):
        return
    st.session_state["led-back"] = True
    page, query = accounts.pop_redirect(current_browser()) or ("", {})
    if page or query:
        st.switch_page(f"{page or 'guide'}.py", query_params=query)


def draw_account_menu(page: Page) -> None:
    """Who is signed in and the way out; the way in where it is open to all."""
    if not can_sign_in():
        return
    with st.container(horizontal=True, horizontal_alignment="right"):
        if current_account() is None:
            st.button("Sign in", icon=":material/login:", type="tertiary", on_click=_start_login,
                      args=(page,), key="sign-in")  # fmt: skip
            return
        with st.popover(escape_markdown(current_account_name()), icon=":material/account_circle:"):
            st.markdown(f"Signed in as **{escape_markdown(current_account_name())}**.")
            if email := st.user.get("email"):
                st.caption(escape_markdown(str(email)))
            st.button("Sign out", icon=":material/logout:", on_click=st.logout, key="sign-out")
    _draw_merge_offer()


def _draw_merge_offer() -> None:
    """Asks once about what this browser had before."""
    mine = current_account()
    if st.session_state.get("asked-about") == mine:
        return
    had = accounts.count_anonymous_data(current_browser(), mine)
    if not (had.run_count or had.data_count):
        st.session_state["asked-about"] = mine
        return
    with st.container(border=True):
        parts = [_format_count(had.run_count, "run"), _format_count(had.data_count, "data set")]
        st.markdown(
            f"Before you signed in, this browser had {' and '.join(filter(None, parts))}. Are they "
            "yours? Then take them into your account: you find them wherever you sign in, and who "
            "uses this browser without you no longer does."
        )
        with st.container(horizontal=True):
            st.button("They are mine: take them", icon=":material/move_to_inbox:", key="take-over",
                      on_click=_resolve_merge, args=(accounts.merge, mine))  # fmt: skip
            st.button("Leave them", key="leave-them", on_click=_resolve_merge,
                      args=(accounts.decline_merge, mine))  # fmt: skip


def _resolve_merge(what: Callable[[str, str], None], mine: str) -> None:
    what(current_browser(), mine)


def _format_count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}" if count else ""
