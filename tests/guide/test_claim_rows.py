"""The article's claims, as rows."""

from dataclasses import asdict

import pytest

from guide.claims import CLAIMS


def test_the_eight_claims_of_the_article_exist():
    assert len(CLAIMS) == 8
    assert all(claim.key == key for key, claim in CLAIMS.items())


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_every_claim_is_written_in_full_sentences(claim):
    texts = asdict(claim)
    assert all(texts.values())
    assert all(texts[name][-1] in ".?)" for name in texts if name not in ("key", "title"))
