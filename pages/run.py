"""Run an approach and watch it learn. With a run in the address: that run, live or finished."""

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures import drawings
from pages.parts.figures.markdown import escape_markdown, format_data_title
from pages.parts.figures.run_snapshot import STATE_LABELS
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.results import draw_results
from pages.parts.run_setup.form import APPROACH_TERMS, draw_settings_form
from pages.parts.run_setup.preview import draw_preview
from pages.parts.run_setup.start import draw_start_button
from pages.parts.run_view import queue_view, resume
from pages.parts.run_view.watch import draw_live_run
from pages.parts.session import room_context
from pages.parts.session.run_access import open_run, read_run_key
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.glossary import TermLinker
from pages.parts.widgets.svg import draw_svg
from trainers.plan import BadPlan
from trainers.store import RunNotFound, get_store


def draw_setup_page() -> None:
    st.title("Run an approach")
    st.markdown("Everything is filled in already. Press Start, or change what you like.")
    membership = room_context.find_room()
    room_context.draw_banner(membership)
    if membership:  # the form starts with the settings of the room
        room, person = membership
        params = room_context.build_run_params(room.settings, person.number)
        st.query_params.update(params | st.query_params.to_dict())
    left, right = st.columns([1.1, 1], gap="large")
    with left:
        plan = draw_settings_form()
    with right, st.container(border=True):
        draw_preview(plan)
        draw_start_button(plan)
    draw_latest_runs()


def draw_latest_runs() -> None:
    runs = get_store().list_runs(current_visitor(), limit=5)
    if not runs:
        return
    st.markdown("### Your latest runs")
    for run in runs:
        score = run.result.get("test_accuracy") if run.result else None
        ending = f"{score:.0%} right" if score is not None else STATE_LABELS[run.state]
        title = f"{APPROACHES[run.job.approach].title} on {format_data_title(run.job.data)}"
        st.page_link("run.py", label=f"{title}: {ending}", query_params={"run": run.id})


def draw_run_page() -> None:
    try:
        run = open_run("run")
        if run.kind != "run":
            raise RunNotFound(run.id)
    except RunNotFound as error:
        st.title("Run an approach")
        st.warning(str(error), icon=":material/link_off:")
        if st.button("Set up a new run"):
            st.query_params.clear()
            st.rerun()
        return
    style, approach = APPROACH_STYLES[run.job.approach], APPROACHES[run.job.approach]
    room_context.draw_banner(room_context.find_room())
    words, aside = st.columns([5, 1], vertical_alignment="center")
    words.markdown(f"# :{style.badge}[{approach.title}] on {format_data_title(run.job.data)}")
    words.markdown(TermLinker(*APPROACH_TERMS)(approach.description))
    with aside:
        draw_svg(drawings.layer_stack(run.job.approach), key="run-picture")
    if queue_view.draw_if_queued(run):
        return
    resume.draw_resumed_from_link(run)
    draw_live_run(run, draw_results)


if read_run_key("run"):
    draw_run_page()
else:
    try:
        draw_setup_page()
    except BadPlan as error:
        st.warning(escape_markdown(str(error)), icon=":material/error:")
