"""What surrounds every page: title, navigation, and the line at the foot."""

from pathlib import Path

import streamlit as st

from pages.parts.figures.drawings import LOGO
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.sign_in import (
    can_enter,
    draw_account_menu,
    draw_login_page,
    restore_redirect,
)
from pages.parts.widgets.glossary import mount_tooltips
from pages.parts.widgets.page import mount_page_script, sync_url
from trainers.reports.mlflow import is_enabled
from trainers.system.object_store import storage_url
from trainers.system.settings import is_hosted

st.set_page_config(page_title="Thaw", page_icon="🧊", layout="wide")
st.logo(LOGO, size="large")
st.html(Path(__file__).parent / "parts" / "widgets" / "page.css")

page = st.navigation(
    [
        st.Page(
            "guide.py",
            title="Guide",
            icon=":material/explore:",
            help="Three questions, and which approach they point to.",
            default=True,
        ),
        st.Page(
            "data.py",
            title="Data",
            icon=":material/folder_open:",
            help="Bring your own pictures or texts, and see whether they are fit.",
        ),
        st.Page(
            "run.py",
            title="Run",
            icon=":material/play_circle:",
            help="Run an approach on real data and watch it learn.",
        ),
        st.Page(
            "compare.py",
            title="Compare",
            icon=":material/stacked_line_chart:",
            help="Every approach on the same examples, and whether the advice was right.",
        ),
        st.Page(
            "claims.py",
            title="Claims",
            icon=":material/fact_check:",
            help="What the article says, put to the test.",
        ),
        st.Page(
            "runs.py",
            title="Runs",
            icon=":material/history:",
            help="Everything that you ran: look it up, compare it, take it along.",
        ),
        st.Page(
            "room.py",
            title="Room",
            icon=":material/groups:",
            help="A class or a workshop: everybody runs, and one board shows it.",
        ),
        st.Page(
            "learn.py",
            title="Learn",
            icon=":material/school:",
            help="The ideas, with pictures that move, and the words.",
        ),
    ],
    position="top" if can_enter() else "hidden",
)
if not can_enter():
    draw_login_page(page)
    st.stop()
with error_boundary():
    restore_redirect()
    draw_account_menu(page)
    sync_url(page.url_path)
    page.run()
    mount_tooltips()
    mount_page_script(page.url_path)
st.space("large")
host_name = "its host’s" if is_hosted() else "this"
data_note = "scores go to MLflow" if is_enabled() else "nothing leaves it"
if storage_url():
    data_note = "models and data also lie where its host keeps files"
st.caption(
    f"Thaw runs on {host_name} computer; {data_note}. "
    "The rules are restated from "
    "*The Art of AI Adaptation: Understanding Fine-tuning vs. Transfer Learning in 2024* "
    "(David Jenkins, 2024)."
)
