"""The article's testable claims, and when each counts as supported.

The runs that test them are in trainers/claims/. The thresholds are chosen by us: the article gives
none but the 75 %.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Claim:
    key: str  # in links, files and test names: never rename
    title: str  # shown to visitors
    quote: str  # what the article says, restated
    experiment: str  # what is run, in words
    holds_when: str  # when the result is "supported" …
    partly_when: str  # … "partly" …
    fails_when: str  # … or "contradicted". Otherwise it is too close to call


_CERTAINTY = (
    "Certain means: the 95 % interval of the difference on the same test examples leaves out 0."
)

_CLAIMS = (
    Claim(
        key="training-time",
        title="Transfer learning can cut training time by 75 %",
        quote="Against training from scratch, transfer learning can cut training time by "
        "up to 75 %, for pictures and for language.",
        experiment="The same network learns from nothing for at most 30 seconds, and by "
        "transfer learning, from 50 examples of each class: digits and blood cells (two "
        "choices each), messages and documentation. How long does each take to the "
        "accuracy on the checks that training from scratch gets to, where that is "
        "certainly twice as good as guessing? Looking at all examples once counts.",
        holds_when="At least 75 % of the time is saved on more than half of the data sets, "
        "pictures and texts among them, and none is lost on any.",
        partly_when="75 % is saved on some.",
        fails_when="On none, and on some no time is saved: transfer learning takes as long, or "
        "never gets there.",
    ),
    Claim(
        key="minimal-data",
        title="Modern fine-tuning gets by with little new data",
        quote="With modern techniques, such as LoRA, fine-tuning adapts a model with "
        "minimal additional data.",
        experiment="Fine-tuning by LoRA on 10 examples of each class, beside the same "
        "model without any training, which compares with the same 10: blood cells, "
        "messages, market notes and clinical notes, two choices of examples each.",
        holds_when="Fine-tuning is certainly better on more than half of the data sets, and "
        f"certainly worse on none. {_CERTAINTY}",
        partly_when="It is certainly better on some.",
        fails_when="On none, and certainly worse on some.",
    ),
    Claim(
        key="limited-data",
        title="Few examples: transfer learning is the better choice",
        quote="Where data in the target domain is limited, transfer learning is the better choice.",
        experiment="Transfer learning beside fine-tuning on 10 examples of each class: "
        "digits, blood cells, messages and clinical notes, two choices of examples each.",
        holds_when="Transfer learning is certainly better on more than half of the data sets, "
        f"and certainly worse on none. {_CERTAINTY}",
        partly_when="It is certainly better on some.",
        fails_when="On none, and certainly worse on some.",
    ),
    Claim(
        key="moderate-data",
        title="A moderate number of good examples: fine-tuning is the better choice",
        quote="Fine-tuning is the better choice where there is a moderate amount of "
        "good, domain-specific data.",
        experiment="Fine-tuning beside transfer learning on 50 examples of each class, on "
        "the data sets of the claim before: what changes is the number.",
        holds_when="Fine-tuning is certainly better on more than half of the data sets, and "
        f"certainly worse on none. {_CERTAINTY}",
        partly_when="It is certainly better on some.",
        fails_when="On none, and certainly worse on some.",
    ),
    Claim(
        key="compute",
        title="Transfer learning costs more at first and saves later",
        quote="Transfer learning needs more computing at first and saves in the long "
        "run; fine-tuning can be cheaper, above all with modern techniques.",
        experiment="Transfer learning beside fine-tuning on 50 examples of each class of "
        "digits and of messages, twice each. At first: which is sooner at what both reach "
        "on the checks? Later, as for a second task on the same examples (what transfer "
        "learning saw is kept and only a new last layer learns, while fine-tuning begins "
        "anew): which is sooner within 2 points of fine-tuning's best? (What the "
        "pre-training itself cost is left out: it was paid before.)",
        holds_when="At first fine-tuning is quicker, later transfer learning is: on more than "
        "half of the four counts, and the opposite on none.",
        partly_when="So on some counts.",
        fails_when="On none, and the opposite on some.",
    ),
    Claim(
        key="specificity",
        title="Familiar tasks favour transfer learning, special ones fine-tuning",
        quote="Tasks that share features with the source favour transfer learning; "
        "highly specialised ones favour fine-tuning.",
        experiment="Both on 20 examples of each class, two choices each: on pictures and "
        "texts of everyday things (vehicles, messages), and of a special kind (blood "
        "cells, clinical notes). Does fine-tuning gain more on the special ones?",
        holds_when="For pictures and for texts fine-tuning certainly gains more on the special "
        "task than on the everyday one. Certain means: the 95 % interval leaves out 0.",
        partly_when="Only for one of the two, or one against the other.",
        fails_when="For neither, and for one of them it certainly gains less.",
    ),
    Claim(
        key="hybrid",
        title="A hybrid keeps the performance at a lower cost",
        quote="Combinations of the two keep performance and lower the computing that it takes.",
        experiment="Hybrid beside fine-tuning on vehicles and blood cells (50 of each "
        "class) and messages (20), two choices each: is it as good, and is it sooner done?",
        holds_when="On more than half of the data sets it is sooner done every time and a loss "
        "of more than 2 points is excluded (95 %); the opposite is so on none.",
        partly_when="So on some.",
        fails_when="On none, and on some it takes longer every time, or certainly loses.",
    ),
    Claim(
        key="few-shot",
        title="No or few examples already do useful work",
        quote="Zero-shot and few-shot learning do useful work with minimal data.",
        experiment="Without training: by the names of the classes alone (messages, "
        "clinical notes), and by 5 examples of each class (these, digits and blood cells; "
        "two choices each). Beside it a classic method without a pre-trained model, which "
        "learns from 50 of each.",
        holds_when="On more than half of the counts it is certainly twice as good as guessing "
        "and a loss of more than 2 points against the classic method is excluded (95 %), "
        "and on none it certainly falls short of twice guessing.",
        partly_when="So on some counts.",
        fails_when="On none, and on some it certainly falls short of twice guessing.",
    ),
)

CLAIMS: Mapping[str, Claim] = MappingProxyType({claim.key: claim for claim in _CLAIMS})
