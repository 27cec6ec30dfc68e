"""Who may open a run, by which key, and that a link is read-only."""

import pytest

from trainers.hosting import sharing
from trainers.hosting.sharing import InvalidLink, RunNotShared
from trainers.plan import Plan
from trainers.store import RUNNING, RunNotFound, get_store

pytestmark = pytest.mark.usefixtures("database")

ANN, BOB = "ann-the-visitor-1", "bob-the-visitor-2"
PLAN = Plan(data="digits", approach="none", examples_per_class=1)


@pytest.fixture
def run():
    return get_store().enqueue(PLAN, ANN, worker="test")


def test_an_id_opens_a_run_for_its_owner_only(run):
    assert sharing.open_run(run, ANN).id == run
    with pytest.raises(RunNotShared, match="only they can open it"):
        sharing.open_run(run, BOB)
    with pytest.raises(RunNotFound, match="no such run"):
        sharing.open_run("nothing", BOB)


def test_runs_of_the_terminal_open_for_whoever_knows_the_id():
    run = get_store().enqueue(PLAN, "terminal", worker="terminal")
    assert sharing.open_run(run, BOB).id == run


def test_a_link_shows_the_run_until_it_is_revoked(run):
    token = sharing.share_run(run, ANN)
    assert token != run
    assert sharing.share_run(run, ANN) == token
    assert sharing.open_shared_run(token).id == run
    assert sharing.filter_shared([run, "other"]) == {run}
    sharing.unshare_run(run, ANN)
    with pytest.raises(InvalidLink):
        sharing.open_shared_run(token)
    assert sharing.share_run(run, ANN) != token
    with pytest.raises(InvalidLink):
        sharing.open_shared_run(token)


def test_a_link_of_a_deleted_run_works_again_after_undo(run):
    token = sharing.share_run(run, ANN)
    deleted = get_store().delete([run], ANN)
    with pytest.raises(InvalidLink):
        sharing.open_shared_run(token)
    get_store().restore(deleted, ANN)
    assert sharing.open_shared_run(token).id == run


def test_ids_and_tokens_are_not_interchangeable(run):
    token = sharing.share_run(run, ANN)
    for wrong in (run, "", "%", token[:-1]):
        with pytest.raises(InvalidLink):
            sharing.open_shared_run(wrong)
    with pytest.raises(RunNotFound):
        sharing.open_run(token, ANN)


def test_only_the_owner_shares_a_run_and_revokes_the_link(run):
    with pytest.raises(RunNotShared):
        sharing.share_run(run, BOB)
    token = sharing.share_run(run, ANN)
    assert sharing.find_token(run, BOB) is None
    sharing.unshare_run(run, BOB)
    assert sharing.open_shared_run(token).id == run


def test_nobody_else_changes_a_run(run):
    sharing.share_run(run, ANN)
    before = get_store().get_summary(run)
    get_store().request_stop(run, BOB)
    get_store().request_cancel(run, BOB)
    get_store().annotate(run, BOB, name="mine now", note="x")
    get_store().pin([run], BOB)
    deleted = get_store().delete([run], BOB)
    assert get_store().get_summary(run) == before
    stored = get_store().get_run(run)
    assert stored.state == RUNNING
    assert not stored.stop_requested
    assert not stored.cancel_requested
    get_store().delete([run], ANN)
    assert get_store().restore(deleted, BOB) == 0
    with pytest.raises(RunNotFound):
        get_store().get_run(run)


def test_only_the_owner_cancels_a_queued_run():
    run = get_store().enqueue(PLAN, ANN)
    get_store().request_cancel(run, BOB)
    get_store().request_stop(run, BOB)
    assert not get_store().get_run(run).is_over
    get_store().request_cancel(run, ANN)
    assert get_store().get_run(run).is_over
