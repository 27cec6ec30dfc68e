"""Whether a dataset is fit: the check that a worker runs, and what it found."""

import streamlit as st

from pages.parts.data_view.importing import POLL_SECONDS, draw_progress
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import describe_wait
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.start_job import start_job
from pages.parts.widgets.example_cards import ExampleCard, draw_example_cards
from trainers.data_checks.findings import Finding
from trainers.datasets import Dataset
from trainers.datasets.uploads import StoredDataset
from trainers.jobs import DataCheck
from trainers.store import Run, get_store

BUDGET_SECONDS = 60  # of the check, and of the run that it offers
SEVERITY_ICONS = {
    "problem": ":red[:material/error:]",
    "warning": ":orange[:material/warning:]",
    "note": ":gray[:material/info:]",
}


def draw_check(sample: Dataset) -> Run | None:
    """Draw the newest check of the data. Returns it once it is over; None until then."""
    check = get_or_start_check(sample)
    if check is None:
        return None
    if check.is_over:
        draw_check_result(sample, check)
        return check
    st.fragment(error_boundary()(watch_check), run_every=POLL_SECONDS)(check)
    return None


def get_or_start_check(sample: Dataset) -> Run | None:
    """Return the newest check of the data; the first one starts without a click.

    None if this visitor may not start it now; the reason is drawn.
    """
    check = get_store().find_latest("check", sample.key)
    if check is None or st.session_state.pop("look-again", False):
        job = DataCheck(data=sample.key, seconds=BUDGET_SECONDS)
        if key := start_job(job):
            check = get_store().get_run(key)
    return check


def watch_check(check: Run) -> None:
    check = get_store().get_run(check.id)
    if check.is_over:
        st.rerun(scope="app")
    wait = get_store().estimate_wait(check.visitor, check.id)
    status = f"Busy: {describe_wait(wait)}" if wait.position else "About to look it over."
    draw_progress(check, status)
    st.caption("A look of some seconds: doubles, blanks, odd labels, and how special the task is.")


def draw_check_result(sample: Dataset, check: Run) -> None:
    if "found" not in (check.result or {}):
        text = check.result["text"] if check.result and "text" in check.result else "Cancelled."
        st.error(escape_markdown(text), icon=":material/error:")
        draw_recheck_button()
        return
    result = check.result["found"]
    findings = [Finding.from_json(record) for record in result["findings"]]
    remarks = result.get("facts", {}).get("remarks", [])
    if not findings and not remarks:
        st.success("Nothing is wrong that Thaw can see.", icon=":material/check_circle:")
    for finding in findings:
        with st.container(border=True, gap="xsmall"):
            st.markdown(f"{SEVERITY_ICONS[finding.severity]} **{escape_markdown(finding.title)}**")
            st.markdown(escape_markdown(finding.effect))
            if finding.fix and isinstance(sample, StoredDataset):
                st.toggle(
                    escape_markdown(finding.fix.title), key=f"mend-{sample.key}-{finding.key}"
                )
            if finding.examples or finding.names:
                with st.expander("Show me"):
                    draw_finding_details(finding)
    for remark in remarks:
        with st.container(border=True):
            st.markdown(f"{SEVERITY_ICONS['note']} {escape_markdown(remark)}")
    with st.expander("What was looked at", icon=":material/checklist:"):
        st.markdown("\n".join(f"- {escape_markdown(name)}" for name in result.get("checked", [])))
        draw_recheck_button()


def draw_finding_details(finding: Finding) -> None:
    cards: list[ExampleCard] = [
        {"example": shown.example, "label": shown.label, "note": shown.note}
        for shown in finding.examples
    ]
    if cards:
        draw_example_cards(
            cards, key=f"shown-{finding.key}", colour=APPROACH_STYLES["transfer"].colour
        )
    if finding.names:
        st.markdown("\n".join(f"- {escape_markdown(name)}" for name in finding.names))


def draw_recheck_button() -> None:
    if st.button("Look again", icon=":material/refresh:"):
        st.session_state["look-again"] = True
        st.rerun(scope="app")


def list_enabled_fixes(sample: Dataset) -> tuple[str, ...]:
    """Return the keys of the findings whose fix is switched on."""
    prefix = f"mend-{sample.key}-"
    return tuple(
        str(key).removeprefix(prefix)
        for key, on in st.session_state.items()
        if on and str(key).startswith(prefix)
    )
