"""Section "What was run": the settings, and the command that repeats the run."""

import streamlit as st

from pages.parts.figures.run_snapshot import RunSnapshot, describe_estimate
from pages.parts.widgets.run_controls import can_use_data
from trainers import backbones
from trainers.events import RunFinished
from trainers.reports.sentences import format_command
from trainers.store import Run


def show(snapshot: RunSnapshot, end: RunFinished, run: Run) -> None:
    st.markdown("### What was run")
    estimate = describe_estimate(snapshot)
    st.markdown(
        f"- {end.train_examples:,} training examples (those that check included), "
        f"{end.test_examples:,} test examples, looked at once\n"
        f"- Backbone: {backbones.pick(run.job.backbone).title}\n"
        f"- Budget {run.job.seconds:g} s, used {end.seconds:.1f} s; "
        f"reading data and model took {snapshot.started.setup_seconds:.1f} s more"
        + (f"\n- {estimate}" if estimate else "")
    )
    if estimate:
        st.caption(ESTIMATE_HELP)
    if can_use_data(run.job.data):  # only the owner may see the key of their data
        st.caption("The same from a terminal, in Thaw's folder:")
        st.code(format_command(run.job), language="bash", wrap_lines=True)


ESTIMATE_HELP = (
    "The time is foretold from how fast a few examples pass through the model, should nothing stop "
    "the run early; it may stop early because it no longer improves. The memory is that of the "
    "whole process, or of the graphics card: what was taken before the run began counts, too."
)
