"""How somebody comes to a run."""

from trainers.hosting import sharing
from trainers.store import get_store


def address(run: str, visitor: str, name: str = "run") -> dict[str, str]:
    """Its own visitor by its id, all others by its link."""
    owner = get_store().get_run(run).visitor
    return {name: run} if owner == visitor else {"shared": sharing.share_run(run, owner)}
