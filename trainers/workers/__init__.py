"""The workers: processes that claim queued runs, execute them, and keep them alive."""
