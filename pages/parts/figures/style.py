"""One accent colour and one mark an approach, used everywhere: guide, curves, layers."""

from typing import NamedTuple


class Look(NamedTuple):
    colour: str  # on light and dark ground alike: at least 3:1 against both
    badge: str  # the nearest of Streamlit's badge colours
    dash: str  # for curves: never told by colour alone
    mark: str  # likewise, for their points


# Blue, vermilion and green of Okabe and Ito's palette for colour-blind readers, set a little
# lighter or darker so that each can be seen on both grounds.
LOOKS = {
    "transfer": Look("#2A80CF", "blue", "solid", "circle"),
    "fine_tune": Look("#D9650D", "orange", "solid", "square"),
    "hybrid": Look("#0B9A72", "green", "solid", "diamond"),
    "scratch": Look("#7C7F87", "gray", "dot", "cross"),
    "none": Look("#8C62B8", "violet", "dash", "x"),
    "simple": Look("#9A7327", "yellow", "dashdot", "triangle-up"),
}
FROZEN = "#8FB8D8"  # ice: parts that keep their weights
