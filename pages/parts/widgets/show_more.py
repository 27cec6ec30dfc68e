"""Of many examples the first ones, and more at a click."""

from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class ShowMore:
    key: str  # of what is shown, once on the page
    first: int  # at the start, and so many more each time

    @property
    def count(self) -> int:
        """How many are wanted by now."""
        return self.first + st.session_state.get(f"more-{self.key}", 0)

    def offer(self, total: int) -> None:
        """The button, where there are more."""
        if total > self.count:
            st.button(
                f"Show more ({total - self.count:,} are left)",
                icon=":material/expand_more:",
                key=f"button-more-{self.key}",
                on_click=self._wanted,
            )

    def _wanted(self) -> None:
        st.session_state[f"more-{self.key}"] = self.count
