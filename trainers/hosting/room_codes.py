"""Codes of rooms, and the limit on wrong ones. All numbers here are our choice."""

import secrets
import time

from sqlalchemy import Engine, delete, func, insert, select

from trainers.store.tables import ROOM_CODE_LENGTH, room_code_attempts

# 20 letters that are not mistaken for each other or for a digit, on a wall or aloud: no I, L, O, Q,
# U, V.
CODE_ALPHABET = "ABCDEFGHJKMNPRSTWXYZ"
CODE_LENGTH = ROOM_CODE_LENGTH
# With 600 wrong codes in 10 minutes, of all visitors together, a day of guessing finds a given room
# with a chance of 0.1 %; thirty people who mistype twice are far below it.
ATTEMPT_WINDOW_SECONDS, MAX_ATTEMPTS_PER_VISITOR, MAX_ATTEMPTS = 600, 10, 600


def draw_code() -> str:
    """Return a random code, which may be taken."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def clean_code(typed: str) -> str:
    """Return the typed code in capitals without spaces, cut if it is too long."""
    return "".join(letter for letter in typed.upper() if letter.isalnum())[: CODE_LENGTH + 1]


def has_too_many_attempts(engine: Engine, visitor: str) -> bool:
    """Return whether the visitor, or all together, typed too many wrong codes lately."""
    is_recent = room_code_attempts.c.attempted_at > time.time() - ATTEMPT_WINDOW_SECONDS
    count = select(func.count()).select_from(room_code_attempts).where(is_recent)
    with engine.connect() as sql:
        total = sql.scalar(count)
        own = sql.scalar(count.where(room_code_attempts.c.visitor == visitor))
    return own >= MAX_ATTEMPTS_PER_VISITOR or total >= MAX_ATTEMPTS


def record_attempt(engine: Engine, visitor: str) -> None:
    """Record a wrong code, and forget those before the window."""
    now = time.time()
    is_old = room_code_attempts.c.attempted_at < now - ATTEMPT_WINDOW_SECONDS
    with engine.begin() as sql:
        sql.execute(delete(room_code_attempts).where(is_old))
        sql.execute(insert(room_code_attempts).values(visitor=visitor, attempted_at=now))
