"""A list that starts short and grows with each click on "Show more"."""

from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class ShowMore:
    key: str  # unique on the page
    page_size: int  # items at the start, and added by each click

    @property
    def count(self) -> int:
        """Return how many items to show."""
        return self.page_size + st.session_state.get(f"more-{self.key}", 0)

    def draw_button(self, total: int) -> None:
        """Draw the button if there are more than shown."""
        if total > self.count:
            st.button(
                f"Show more ({total - self.count:,} are left)",
                icon=":material/expand_more:",
                key=f"button-more-{self.key}",
                on_click=self._show_more,
            )

    def _show_more(self) -> None:
        st.session_state[f"more-{self.key}"] = self.count
