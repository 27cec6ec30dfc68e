"""Of many examples the first ones, and more at a click."""

from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class ShowMore:
    key: str  # of what is shown, once on the page
    page_size: int  # at the start, and so many more each time

    @property
    def count(self) -> int:
        """How many are wanted by now."""
        return self.page_size + st.session_state.get(f"more-{self.key}", 0)

    def draw_button(self, total: int) -> None:
        """The button, where there are more."""
        if total > self.count:
            st.button(
                f"Show more ({total - self.count:,} are left)",
                icon=":material/expand_more:",
                key=f"button-more-{self.key}",
                on_click=self._show_more,
            )

    def _show_more(self) -> None:
        st.session_state[f"more-{self.key}"] = self.count
