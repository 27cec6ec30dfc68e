"""Sign in, sign out, and take over what the browser had before; hidden if not set up."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.session.visitor import current_account, current_account_name, current_browser
from trainers.hosting import accounts
from trainers.system.settings import is_hosted

Page = Any  # a page of st.navigation


def can_sign_in() -> bool:
    """Return whether the secrets have an `[auth]` section."""
    return "is_logged_in" in st.user


def can_enter() -> bool:
    """Return whether this visitor may see pages; a hosted Thaw requires a sign-in."""
    return current_account() is not None or not is_hosted()


def draw_login_page(page: Page) -> None:
    """Draw the login screen in place of `page`."""
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
    """Switch to the page from which the visitor signed in, once a session."""
    if current_account() is None or st.session_state.get("led-back"):
        return
    st.session_state["led-back"] = True
    page, query = accounts.pop_redirect(current_browser()) or ("", {})
    if page or query:
        st.switch_page(f"{page or 'guide'}.py", query_params=query)


def draw_account_menu(page: Page) -> None:
    """Draw the account's menu, or the sign-in button."""
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
    """Ask once whether the account takes over what this browser had before."""
    account = current_account()
    if st.session_state.get("asked-about") == account:
        return
    anonymous = accounts.count_anonymous_data(current_browser(), account)
    if not (anonymous.run_count or anonymous.data_count):
        st.session_state["asked-about"] = account
        return
    with st.container(border=True):
        parts = [
            _format_count(anonymous.run_count, "run"),
            _format_count(anonymous.data_count, "data set"),
        ]
        st.markdown(
            f"Before you signed in, this browser had {' and '.join(filter(None, parts))}. Are they "
            "yours? Then take them into your account: you find them wherever you sign in, and who "
            "uses this browser without you no longer does."
        )
        with st.container(horizontal=True):
            st.button("They are mine: take them", icon=":material/move_to_inbox:", key="take-over",
                      on_click=_resolve_merge, args=(accounts.merge, account))  # fmt: skip
            st.button("Leave them", key="leave-them", on_click=_resolve_merge,
                      args=(accounts.decline_merge, account))  # fmt: skip


def _resolve_merge(action: Callable[[str, str], None], account: str) -> None:
    action(current_browser(), account)


def _format_count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}" if count else ""
