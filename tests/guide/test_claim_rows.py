"""The article's claims, as rows."""

from dataclasses import asdict

import pytest

from guide.claims import CLAIMS


def test_there_are_the_eight_claims_of_the_article():
    assert len(CLAIMS) == 8
    assert all(claim.key == key for key, claim in CLAIMS.items())


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_every_claim_says_all_in_sentences(claim):
    told = asdict(claim)
    assert all(told.values())
    assert all(told[name][-1] in ".?)" for name in told if name not in ("key", "title"))
