"""The Room page: one module for each view, and the blocks that they share.

Views: `start_page` (join or open a room, the exercises), `member` (join and take part), `leader`
(the controls) and `wall` (for a projector). Blocks: `settings_form`, `address` (with its QR code),
`board` (with its chart) and `debrief`.
"""
