"""One accent colour and one mark an approach, used everywhere: guide, curves, layers."""

from typing import NamedTuple


class ApproachStyle(NamedTuple):
    colour: str  # on light and dark ground alike: at least 3:1 against both
    badge: str  # the nearest of Streamlit's badge colours
    dash: str  # for curves: never told by colour alone
    mark: str  # likewise, for their points


# Blue, vermilion and green of Okabe and Ito's palette for colour-blind readers, set a little
# lighter or darker so that each can be seen on both grounds.
APPROACH_STYLES = {
    "transfer": ApproachStyle("#2A80CF", "blue", "solid", "circle"),
    "fine_tune": ApproachStyle("#D9650D", "orange", "solid", "square"),
    "hybrid": ApproachStyle("#0B9A72", "green", "solid", "diamond"),
    "scratch": ApproachStyle("#7C7F87", "gray", "dot", "cross"),
    "none": ApproachStyle("#8C62B8", "violet", "dash", "x"),
    "simple": ApproachStyle("#9A7327", "yellow", "dashdot", "triangle-up"),
}
FROZEN_COLOUR = "#8FB8D8"  # ice: parts that keep their weights
