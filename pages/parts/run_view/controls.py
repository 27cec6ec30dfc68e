"""The buttons of a run: stop, cancel, share, resume, run again."""

from dataclasses import replace

import streamlit as st

from pages.parts.run_setup.start import build_guide_params, draw_compare_button
from pages.parts.run_view import resume
from pages.parts.run_view.queue_view import STOP_LABEL
from pages.parts.session import room_context
from pages.parts.session.run_access import draw_share_menu
from pages.parts.widgets.run_controls import build_run_params, can_use_data, draw_stop_and_cancel
from trainers.store import Run


def draw_controls(run: Run) -> None:
    draw_stop_and_cancel(run, STOP_LABEL)
    if not run.is_over:
        draw_share_menu(run)
        return
    resume.draw_resume_offer(run)
    with st.container(horizontal=True):
        draw_share_menu(run)
        if not can_use_data(run.job.data):
            st.caption(
                "It cannot be run again here: its data was deleted, or belongs to somebody else."
            )
        else:
            pressed = st.button("Run again", icon=":material/replay:")
            if pressed and (again := room_context.start_run(replace(run.job, schedule=None))):
                st.query_params.from_dict({"run": again} | build_guide_params(run.job))
                st.rerun(scope="app")
            if not room_context.find_room():
                draw_compare_button(run.job, "Compare with the others")
            if st.button("Change the settings", icon=":material/tune:"):
                st.query_params.from_dict(build_run_params(run.job) | build_guide_params(run.job))
                st.rerun(scope="app")
