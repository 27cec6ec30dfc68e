"""Who is looking (`visitor`, `sign_in`), at what (`run_access`, `room_context`), and may they."""
