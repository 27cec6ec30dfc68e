"""The wall view of a room: code, QR code and board in letters readable from the back row."""

import streamlit as st

from pages.parts.figures import leaderboard, leaderboard_chart
from pages.parts.figures.markdown import escape_markdown
from pages.parts.room.address import draw_qr_code, guess_address
from pages.parts.room.board import POLL_SECONDS, build_chart, refresh_room
from pages.parts.session import server_url
from pages.parts.session.error_boundary import error_boundary
from pages.parts.widgets.live_plot import draw_live_plot
from trainers.hosting.board import best_per_person
from trainers.hosting.rooms import Room, get_rooms

WALL_ROWS, WALL_COLUMNS = 10, 3  # of the table of names
WALL_CSS = """<style>
[data-testid="stHeader"] { display: none }
[data-testid="stMainBlockContainer"] { padding: 1.2rem 2.5vw }
.st-key-code p { font-size: clamp(3.4rem, 10.5vw, 13rem); line-height: 1; letter-spacing: .12em;
  font-weight: 700; font-family: monospace }
.st-key-where p { font-size: clamp(1.2rem, 2vw, 2.8rem); line-height: 1.3; overflow-wrap: anywhere }
.st-key-wall-board :is(p, td, th) { font-size: clamp(1.1rem, 1.45vw, 2.2rem); line-height: 1.25 }
.st-key-wall-board :is(table, td, th) { border: 0; padding: .12em .3em }
.st-key-wall-board thead { visibility: collapse }
.st-key-wall-board table { width: 100%; table-layout: fixed }
.st-key-wall-board td { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.st-key-wall-board :is(th, td):first-child { width: 2.1em }
.st-key-wall-board :is(th, td):last-child { width: 3.2em }
</style>"""


def draw_wall_page(room: Room, is_leader: bool) -> None:
    st.html(WALL_CSS)
    words, code = st.columns([4.6, 1], gap="large", vertical_alignment="center")
    url = room.address or guess_address()
    with words:
        with st.container(key="where"):
            st.markdown(f"Join at **{escape_markdown(url.partition('://')[2])}** with the code")
        with st.container(key="code"):
            st.markdown(room.code)
    with code:
        draw_qr_code(server_url.add_query(url, room=room.code), room)
    st.fragment(error_boundary()(watch_wall), run_every=POLL_SECONDS)(room)
    st.page_link(
        "room.py",
        label="Back to the controls" if is_leader else "Back to the room",
        icon=":material/close_fullscreen:",
        query_params={"room": room.code},
    )


def watch_wall(room: Room) -> None:
    current = refresh_room(room)
    board = get_rooms().read_board(current.code)
    rows = best_per_person(board)
    with st.container(key="wall-board"):
        people = get_rooms().list_people(current.code)
        noun = "person" if len(people) == 1 else "people"
        runs = "run" if len(board) == 1 else "runs"
        paused = "**Paused: please look up.** " if current.paused else ""
        st.markdown(f"{paused}{len(people)} {noun}, {len(board)} {runs}")
        *columns, aside = st.columns([1] * WALL_COLUMNS + [1.7], gap="medium")
        for number, column in enumerate(columns):
            first = number * WALL_ROWS
            shown = rows[first : first + WALL_ROWS]
            empty = "" if rows or number else leaderboard.EMPTY_TEXT
            column.markdown(leaderboard.format_wall_table(shown, 1 + first) if shown else empty)
        rest = len(rows) - WALL_COLUMNS * WALL_ROWS
        st.markdown(f"… and {rest} more" if rest > 0 else "")
        with aside:
            draw_live_plot(
                build_chart(current, board, wall=True),
                key="wall-chart",
                alt=leaderboard_chart.describe_scores(board),
            )
