"""The buttons that start a run, a comparison, or the download of a backbone."""

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import describe_wait, format_duration
from pages.parts.run_setup.backbone import select_backbone
from pages.parts.session import guide_answers, room_context
from pages.parts.session.start_job import start_job
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.download_offer import draw_download_offer
from trainers import backbones, datasets
from trainers.backbones.compatibility import list_remarks
from trainers.jobs import PLAN_SETTINGS, Comparison
from trainers.plan import Plan
from trainers.store import get_store


def draw_start_button(plan: Plan) -> None:
    backbone = backbones.pick(plan.backbone)
    facts = datasets.get_dataset(plan.data).facts
    if plan.approach != "simple":
        for remark in list_remarks(backbone, facts) if facts else ():
            st.caption(f":material/info: {escape_markdown(remark)}")
        if not backbones.is_downloaded(backbone):
            offer_download(backbone, plan.data)
            return
    wait = get_store().estimate_wait(current_visitor())
    if wait.position:
        st.caption(f":material/hourglass_empty: Busy: {describe_wait(wait)}")
    elif not get_store().count_ready_workers():
        st.caption(":material/hourglass_empty: The training process is still warming up.")
    else:
        st.caption(":material/bolt: Ready to start at once.")
    room = room_context.find_room()
    pressed = st.button(
        "Start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=bool(room and room[0].paused),
    )
    if pressed and (key := room_context.start_run(plan)):
        st.query_params.from_dict({"run": key} | build_guide_params(plan))
        st.rerun()
    if not room:
        draw_compare_button(plan, "Compare all approaches instead", width="stretch")


def offer_download(backbone: backbones.Backbone, data: str) -> None:
    """Draw the offer to download `backbone`, and the way to the one that comes with Thaw."""
    publisher = "Hugging Face" if backbone.repo else "PyTorch"
    draw_download_offer(
        backbone.key,
        f"**{escape_markdown(backbone.title)}** is not on this computer yet: "
        f"{backbone.download_size} from {publisher}, kept in "
        f"`{backbones.backbone_path(backbone)}`. Nothing else is sent or loaded.",
    )
    bundled = backbones.pick_default(datasets.get_dataset(data))
    st.button(
        f"Use {bundled.title.partition(':')[0]} instead: it comes with Thaw",
        on_click=select_backbone,
        args=(data, bundled.key),
        width="stretch",
    )


def draw_compare_button(plan: Plan, label: str, **look: str) -> None:
    """Draw a button that starts every approach with the settings of `plan`, one by one."""
    longest = len(Comparison.approaches) * plan.seconds
    if st.button(
        label,
        icon=":material/stacked_line_chart:",
        help="The same examples, the same test, one after another: at most "
        f"{format_duration(longest)}.",
        **look,
    ):
        settings = {name: getattr(plan, name) for name in PLAN_SETTINGS}
        answers = guide_answers.decode(build_guide_params(plan).get(guide_answers.PARAM, ""))
        job = Comparison(visitor=current_visitor(), answers=answers, **settings)
        if key := start_job(job):
            st.switch_page("compare.py", query_params={"compare": key})


def build_guide_params(plan: Plan) -> dict[str, str]:
    """Return the answers to the guide for the address, if they are about the data of `plan`."""
    params = st.query_params
    if guide_answers.PARAM not in params and "run" not in params:  # the visitor came by the menu
        params = st.session_state.get("wanted", {})
    text = params.get(guide_answers.PARAM, "")
    return (
        {guide_answers.PARAM: text} if text and params.get("data", plan.data) == plan.data else {}
    )
