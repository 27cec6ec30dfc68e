"""The pages of a room: its start page, and what a member, the leader and the wall see."""
