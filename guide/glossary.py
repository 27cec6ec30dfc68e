"""The terms that Thaw uses, each explained in at most 30 plain words."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Term:
    key: str  # in links: never rename
    title: str  # as it stands in a sentence
    definition: str  # one or two sentences, shown to visitors
    see_also: tuple[str, ...] = ()  # keys of related terms


_TERMS = (
    Term(
        key="accuracy",
        title="accuracy",
        definition="The share of examples that the model gets right.",
        see_also=("macro-f1", "interval", "test"),
    ),
    Term(
        key="backbone",
        title="backbone",
        definition="A pre-trained network without its last layer. It turns a picture or a "
        "text into features.",
        see_also=("head", "features", "pre-trained"),
    ),
    Term(
        key="baseline",
        title="baseline",
        definition="What a much simpler way gets, such as no training at all: the line that "
        "training has to beat.",
        see_also=("few-shot", "accuracy"),
    ),
    Term(
        key="calibration",
        title="calibration",
        definition="Whether a model is right as often as it says it is sure: of the answers "
        "given with 80 %, eight of ten should be right.",
        see_also=("probability", "temperature"),
    ),
    Term(
        key="chat-model",
        title="chat model",
        definition="A large language model that answers in sentences, one word after the "
        "other. Thaw trains none.",
        see_also=("encoder", "fine-tuning"),
    ),
    Term(
        key="class",
        title="class",
        definition="One of the answers that a model may give: cat or dog; refund, delivery "
        "or praise.",
        see_also=("label",),
    ),
    Term(
        key="confusion-matrix",
        title="confusion matrix",
        definition="A table of which class was taken for which: rows are the truth, columns "
        "the model's answer.",
        see_also=("class", "accuracy"),
    ),
    Term(
        key="encoder",
        title="encoder",
        definition="A model that turns an input into features, to be sorted or compared; "
        "unlike a chat model it writes nothing.",
        see_also=("features", "chat-model"),
    ),
    Term(
        key="epoch",
        title="epoch",
        definition="One pass over all training examples. Most runs make many.",
        see_also=("step", "learning-curve"),
    ),
    Term(
        key="features",
        title="features",
        definition="The row of numbers that a backbone makes of an example. Examples that "
        "are alike to the model have similar ones.",
        see_also=("backbone", "head"),
    ),
    Term(
        key="few-shot",
        title="few-shot",
        definition="Telling classes apart by a handful of examples of each, with little or "
        "no training.",
        see_also=("zero-shot", "features"),
    ),
    Term(
        key="fine-tuning",
        title="fine-tuning",
        definition="Starting from a pre-trained model and letting all of it, or a small "
        "add-on in every layer, learn your task.",
        see_also=("transfer-learning", "hybrid", "lora"),
    ),
    Term(
        key="from-scratch",
        title="from scratch",
        definition="Training a network that starts from random numbers: it knows nothing "
        "beforehand.",
        see_also=("pre-trained",),
    ),
    Term(
        key="frozen",
        title="frozen",
        definition="Keeps its weights during training, exactly as they came. The opposite "
        "of learning, or thawed.",
        see_also=("thaw", "weights", "transfer-learning"),
    ),
    Term(
        key="head",
        title="head",
        definition="The new last layer. It reads the features and names a class.",
        see_also=("backbone", "features"),
    ),
    Term(
        key="hybrid",
        title="hybrid",
        definition="First only a new head learns; then the rest thaws and adjusts gently, "
        "starting from there.",
        see_also=("transfer-learning", "fine-tuning", "learning-rate"),
    ),
    Term(
        key="interval",
        title="interval",
        definition="The range in which a score would most likely lie with other test "
        "examples of the same kind. Of such 95 % intervals, 95 in 100 hold the truth.",
        see_also=("test", "accuracy"),
    ),
    Term(
        key="label",
        title="label",
        definition="The right answer that comes with an example, given by a person.",
        see_also=("class", "training-examples"),
    ),
    Term(
        key="layer",
        title="layer",
        definition="One stage of a network: numbers come in, are weighed and mixed, and go "
        "on to the next.",
        see_also=("weights", "backbone"),
    ),
    Term(
        key="learning-curve",
        title="learning curve",
        definition="A score drawn against time, passes or the number of examples, to see "
        "whether more of it would help.",
        see_also=("epoch", "validation"),
    ),
    Term(
        key="learning-rate",
        title="learning rate",
        definition="How large each step of training is. Too small, and it takes for ever; "
        "too large, and it jumps about.",
        see_also=("step",),
    ),
    Term(
        key="lora",
        title="LoRA",
        definition="Low-rank adaptation: the model stays frozen, and a small add-on beside "
        "its layers learns, often under 5 % of the numbers.",
        see_also=("fine-tuning", "frozen", "rank"),
    ),
    Term(
        key="loss",
        title="loss",
        definition="The number that training makes smaller. It also counts how sure a wrong "
        "answer was.",
        see_also=("accuracy", "step"),
    ),
    Term(
        key="macro-f1",
        title="macro-F1",
        definition="A score from 0 to 1 in which every class counts the same, however rare it is.",
        see_also=("accuracy", "class"),
    ),
    Term(
        key="overfitting",
        title="overfitting",
        definition="Learning the training examples by heart, chance details included, and "
        "doing worse on new ones.",
        see_also=("validation", "training-examples"),
    ),
    Term(
        key="pre-trained",
        title="pre-trained",
        definition="Has already learned from a large general collection, before it sees "
        "your examples.",
        see_also=("backbone", "from-scratch"),
    ),
    Term(
        key="probability",
        title="probability",
        definition="How sure a model says it is of an answer, from 0 to 100 %. Over all "
        "classes it adds up to 100 %.",
        see_also=("calibration", "class"),
    ),
    Term(
        key="rank",
        title="rank",
        definition="How many columns a LoRA add-on has. More can learn more, and cost more.",
        see_also=("lora",),
    ),
    Term(
        key="seed",
        title="seed",
        definition="The number that chance starts from. The same seed gives the same "
        "choice of examples.",
        see_also=("split",),
    ),
    Term(
        key="split",
        title="split",
        definition="How examples are divided: some to learn from, some to check progress, "
        "some for the one test at the end.",
        see_also=("training-examples", "validation", "test"),
    ),
    Term(
        key="step",
        title="step",
        definition="One small change of the weights, after a look at a few examples.",
        see_also=("epoch", "learning-rate", "loss"),
    ),
    Term(
        key="temperature",
        title="temperature",
        definition="One number that makes all answers of a model less sure (above 1) or "
        "surer (below 1). It changes no answer.",
        see_also=("calibration", "probability"),
    ),
    Term(
        key="test",
        title="test",
        definition="Examples that are looked at once, at the end. Their score is the one to "
        "believe.",
        see_also=("validation", "interval"),
    ),
    Term(
        key="thaw",
        title="thaw",
        definition="Let a layer that was frozen learn again.",
        see_also=("frozen", "hybrid"),
    ),
    Term(
        key="training-examples",
        title="training examples",
        definition="The examples that a model learns from.",
        see_also=("validation", "test", "split"),
    ),
    Term(
        key="transfer-learning",
        title="transfer learning",
        definition="Keeping the pre-trained model frozen and teaching only a new head to "
        "read its features.",
        see_also=("frozen", "head", "fine-tuning"),
    ),
    Term(
        key="validation",
        title="validation",
        definition="Examples held back from training to check progress and to choose when "
        "to stop. Thaw calls them checks.",
        see_also=("test", "overfitting"),
    ),
    Term(
        key="weights",
        title="weights",
        definition="The numbers inside a network that training changes; also called parameters.",
        see_also=("layer", "frozen"),
    ),
    Term(
        key="zero-shot",
        title="zero-shot",
        definition="Telling classes apart by their names alone, without any example of them.",
        see_also=("few-shot",),
    ),
)

GLOSSARY: Mapping[str, Term] = MappingProxyType(
    {term.key: term for term in sorted(_TERMS, key=lambda term: term.title.lower())}
)


def search(query: str) -> tuple[Term, ...]:
    """Return the terms that contain every word of `query`, matches in the title first."""
    words = query.lower().split()
    hits = [
        t for t in GLOSSARY.values() if all(w in f"{t.title} {t.definition}".lower() for w in words)
    ]
    return tuple(sorted(hits, key=lambda t: not all(w in t.title.lower() for w in words)))
