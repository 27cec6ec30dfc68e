"""The colour, dash and marker of each approach, the same in every chart and drawing."""

from typing import NamedTuple


class ApproachStyle(NamedTuple):
    colour: str  # contrast of at least 3:1 on light and on dark
    badge: str  # the nearest of Streamlit's badge colours
    dash: str  # of curves: approaches never differ by colour alone
    mark: str  # of their points


# Blue, vermilion and green of Okabe and Ito's palette for colour-blind readers, a little lighter
# or darker so that each is visible on both backgrounds.
APPROACH_STYLES = {
    "transfer": ApproachStyle("#2A80CF", "blue", "solid", "circle"),
    "fine_tune": ApproachStyle("#D9650D", "orange", "solid", "square"),
    "hybrid": ApproachStyle("#0B9A72", "green", "solid", "diamond"),
    "scratch": ApproachStyle("#7C7F87", "gray", "dot", "cross"),
    "none": ApproachStyle("#8C62B8", "violet", "dash", "x"),
    "simple": ApproachStyle("#9A7327", "yellow", "dashdot", "triangle-up"),
}
FROZEN_COLOUR = "#8FB8D8"  # ice: blocks that keep their weights
