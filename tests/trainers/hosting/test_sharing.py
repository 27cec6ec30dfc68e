"""Who may open a run, by which key, and that looking is all."""

import pytest

from trainers.hosting import sharing
from trainers.hosting.sharing import NoLonger, NotShared
from trainers.plan import Plan
from trainers.store import RUNNING, NoSuchRun, store

pytestmark = pytest.mark.usefixtures("database")

ANN, BOB = "ann-the-visitor-1", "bob-the-visitor-2"
PLAN = Plan(data="digits", approach="none", per_class=1)


@pytest.fixture
def run():
    return store().start(PLAN, ANN, worker="test")


def test_an_id_opens_a_run_for_its_visitor_alone(run):
    assert sharing.opened(run, ANN).id == run
    with pytest.raises(NotShared, match="only they can open it"):
        sharing.opened(run, BOB)
    with pytest.raises(NoSuchRun, match="no such run"):
        sharing.opened("nothing", BOB)


def test_a_terminals_run_is_opened_by_whoever_knows_its_id():
    run = store().start(PLAN, "terminal", worker="terminal")
    assert sharing.opened(run, BOB).id == run


def test_a_link_shows_the_run_until_it_is_taken_back(run):
    token = sharing.share(run, ANN)
    assert token != run
    assert sharing.share(run, ANN) == token
    assert sharing.shared(token).id == run
    assert sharing.among([run, "other"]) == {run}
    sharing.unshare(run, ANN)
    with pytest.raises(NoLonger):
        sharing.shared(token)
    again = sharing.share(run, ANN)
    assert again != token
    with pytest.raises(NoLonger):
        sharing.shared(token)


def test_a_link_of_a_deleted_run_leads_nowhere_until_it_is_brought_back(run):
    token = sharing.share(run, ANN)
    deleted = store().delete([run], ANN)
    with pytest.raises(NoLonger):
        sharing.shared(token)
    store().restore(deleted, ANN)
    assert sharing.shared(token).id == run


def test_an_id_is_no_link_and_a_token_no_id(run):
    token = sharing.share(run, ANN)
    for wrong in (run, "", "%", token[:-1]):
        with pytest.raises(NoLonger):
            sharing.shared(wrong)
    with pytest.raises(NoSuchRun):
        sharing.opened(token, ANN)


def test_only_its_visitor_shares_a_run_and_takes_the_link_back(run):
    with pytest.raises(NotShared):
        sharing.share(run, BOB)
    token = sharing.share(run, ANN)
    assert sharing.token_of(run, BOB) is None
    sharing.unshare(run, BOB)
    assert sharing.shared(token).id == run


def test_nobody_else_changes_a_run(run):
    sharing.share(run, ANN)
    before = store().past(run)
    store().stop(run, BOB)
    store().cancel(run, BOB)
    store().describe(run, BOB, name="mine now", note="x")
    store().pin([run], BOB)
    deleted = store().delete([run], BOB)
    assert store().past(run) == before
    assert (store().find(run).state, store().find(run).stop) == (RUNNING, False)
    assert not store().find(run).cancel
    store().delete([run], ANN)
    assert store().restore(deleted, BOB) == 0
    with pytest.raises(NoSuchRun):
        store().find(run)


def test_a_waiting_run_is_cancelled_by_its_visitor_alone():
    run = store().start(PLAN, ANN)
    store().cancel(run, BOB)
    store().stop(run, BOB)
    assert not store().find(run).is_over
    store().cancel(run, ANN)
    assert store().find(run).is_over
