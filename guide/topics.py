"""The topics of the page Learn: one idea each, in at most 120 words, with a run that shows it.

[[key]] and [[key|text]] link to terms of the glossary.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Topic:
    key: str  # in links: never rename
    title: str  # in the list of topics
    heading: str
    text: str  # Markdown, with links to the glossary
    run_params: Mapping[str, str]  # settings that the page Run fills in
    observation: str  # what to look at in that run

    @property
    def query_params(self) -> dict[str, str]:
        """Query parameters of the link to the page Run; they override what the guide has set."""
        return {"what_learns": "auto"} | dict(self.run_params)


_TOPICS = (
    Topic(
        key="ways",
        title="Three ways",
        heading="Three ways to adapt a model",
        text="A [[pre-trained]] model is like somebody with years of schooling who has "
        "never done *your* job. The article compares the ways to bring them to it with "
        "people:\n\n"
        "- **Transfer learning.** A child who knows what a vehicle is has only to learn "
        "which ones are called car, lorry and motorcycle. The eye stays as it is.\n"
        "- **Fine-tuning.** A general physician goes back to school and becomes a "
        "specialist. The judgement itself changes.\n"
        "- **Hybrid.** A bit of both: first the names, then the eye learns what the names "
        "missed.\n\n"
        "In a network the eye is the [[backbone]], and the names are the [[head]].",
        run_params={"approach": "transfer", "data": "vehicles", "per_class": "20",
             "seconds": "20"},
        observation="The part *Frozen and learning*: only the last line changes.",
    ),
    Topic(
        key="backbone",
        title="What a backbone knows",
        heading="What a backbone knows",
        text="A [[backbone]] has looked at very many pictures and kept what helped to tell "
        "them apart. Its first [[layer]] is a set of small filters. Each answers to one "
        "thing, such as an edge or a colour, wherever it is.\n\n"
        "Later layers combine these answers, again and again, until a whole picture is one "
        "row of numbers: its [[features]]. Pictures with similar features are alike *to "
        "the model*. Where they are alike to you as well, a new [[head]] needs only a few "
        "examples.\n\n"
        "Whether that beats comparing plain pixels depends on your pictures. Try all three "
        "kinds below.",
        run_params={"approach": "none", "data": "cells", "per_class": "5", "seconds": "10"},
        observation="Nothing is trained: each test picture gets the class whose examples have "
        "the most similar features.",
    ),
    Topic(
        key="thaw",
        title="Frozen or learning",
        heading="Frozen against learning",
        text="A real network, small enough to draw. It was [[pre-trained]] to tell six "
        "bent arms apart; now it learns another task, in two colours, from the marks you "
        "see.\n\n"
        "While its four [[layer|layers]] are [[frozen]], only the new [[head]] learns: it "
        "can combine what the network knows already. [[thaw|Thaw]] more of them, and the "
        "border can bend as it likes, also around marks that are there by chance.\n\n"
        "Drag the slider, for a task near to what the network knows and for one far from "
        "it, with few examples and with many. What counts is how many *new* points are "
        "right.",
        run_params={"approach": "hybrid", "data": "cells", "per_class": "20", "seconds": "20"},
        observation="*Frozen and learning*, and the map: it stands still, then moves when the "
        "layers thaw.",
    ),
    Topic(
        key="lora",
        title="LoRA",
        heading="LoRA in one picture",
        text="A layer is mostly a large table of [[weights]]. [[fine-tuning|Fine-tuning]] "
        "all of it means that every number in the table may change, and has to be kept.\n\n"
        "[[lora|LoRA]] leaves the table [[frozen]] and learns two thin ones beside it. "
        "Multiplied, they make a table as large as the first, which is added to it. That "
        "cannot describe every change, only simple ones; for a new task these are often "
        "enough, and there are far fewer numbers to learn.\n\n"
        "The thickness of the thin tables is the [[rank]]. Thaw uses {rank}.",
        run_params={"approach": "fine_tune", "data": "messages", "per_class": "20",
             "seconds": "30", "what_learns": "lora"},
        observation="*Frozen and learning*: a little learns in every layer.",
    ),
    Topic(
        key="few",
        title="Few examples",
        heading="Why few examples are learned by heart",
        text="Every mark below lies near the dotted line, but not on it: no data is "
        "without chance. Two methods have to find the line from the marks.\n\n"
        "The stiff one has few numbers to set, like a [[head]] on a [[frozen]] "
        "[[backbone]]. The flexible one has many, like a network that learns everywhere. "
        "With few marks the flexible one goes through all of them, chance included: that "
        "is [[overfitting]]. On new points it is far off. With many marks chance evens "
        "out; now being stiff is what holds a method back.\n\n"
        "Drag the slider and watch the two errors on *new* points change places.",
        run_params={"approach": "scratch", "data": "digits", "per_class": "5", "seconds": "20"},
        observation="The gap between the dotted curve (examples it learns from) and the other.",
    ),
    Topic(
        key="hybrid",
        title="What a hybrid does",
        heading="What a hybrid does, and why in this order",
        text="A new [[head]] starts from random numbers. If everything learns at once, its "
        "first wild guesses push the whole network about, and some of what it knew is "
        "lost.\n\n"
        "A [[hybrid]] waits. First only the head learns, on the [[frozen]] [[backbone]]. "
        "When it makes sense, the layers [[thaw]] and everything adjusts at a low "
        "[[learning-rate|learning rate]]: small corrections, from a good start.\n\n"
        "Below is the small network of *Frozen or learning*, on a task somewhat like what "
        "it knows, with {examples} examples. It is a toy: on real data, the page Compare "
        "tells.",
        run_params={"approach": "hybrid", "data": "vehicles", "per_class": "50", "seconds": "30"},
        observation="The line in the curve where the layers thaw.",
    ),
    Topic(
        key="shots",
        title="Zero- and few-shot",
        heading="With no examples, or a handful",
        text="Without any training a model for texts can already sort them. Each class "
        "gets a name in words; the model turns names and message into [[features]], and "
        "the nearest name is its answer. That is [[zero-shot]].\n\n"
        "With a handful of examples of each class, the mean of their features stands in "
        "for the name: [[few-shot]]. Nothing is trained here either.\n\n"
        "Choose a message and see how like it is to each name. Some answers are wrong. The "
        "chart shows how many were right in the [[test]]: names can be worth more than "
        "a few examples, and many examples more than names.",
        run_params={"approach": "none", "data": "messages", "per_class": "0", "seconds": "10"},
        observation="The test score, with no example of any class.",
    ),
    Topic(
        key="chat",
        title="And chat models?",
        heading="Fine-tuning: the word of the chat models",
        text='Most people meet the word [[fine-tuning]] with large language models: "we '
        'fine-tuned it on our documents". These are [[chat-model|chat models]], and '
        "write. Thaw trains [[encoder|encoders]], which read: a picture or text goes in, "
        "[[features]] come out, a [[head]] names a class.\n\n"
        "**The same for both:** a [[pre-trained]] start, frozen or learning, [[lora|LoRA]] "
        "to save memory, learning by heart from few examples, a test on what was never "
        "seen.\n\n"
        "**Not the same:** there is no list of right answers to count; a good prompt may "
        "replace training; making a model helpful takes people's preferences; and it needs "
        "far larger computers.",
        run_params={"approach": "transfer", "data": "messages", "per_class": "20",
             "seconds": "20"},
        observation="How long it takes to sort messages with a small encoder.",
    ),
    Topic(
        key="curve",
        title="Reading a curve",
        heading="Reading a curve",
        text="Two lines tell most of what happens in a run. The dotted one is the share "
        "right among the examples that the model learns from; the full one, among "
        "[[validation|checks]] that it does not learn from.\n\n"
        "- Both rise, and stay close: it learns.\n"
        "- The dotted one reaches the top, the other stays below: it learns by heart "
        "([[overfitting]]).\n"
        "- Both still rise at the end: it was stopped too soon.\n"
        "- Both jump about: the [[learning-rate|learning rate]] is too high.\n\n"
        "Below are four real runs of a small network. Which is which?",
        run_params={"approach": "fine_tune", "data": "digits", "per_class": "10",
             "seconds": "20"},
        observation="The two lines in *How much is right*.",
    ),
    Topic(
        key="interval",
        title="Reading an interval",
        heading="Reading an interval",
        text="A [[test]] with 20 examples can be lucky. Suppose that a model really gets "
        "80 % right. Tested again and again, on other examples each time, it scores, say, "
        "75 %, then 90 %, then 80 %: each line below is one such test.\n\n"
        "The bar around a score is its 95 % [[interval]]: made this way, about 95 of 100 "
        "bars hold the truth, and some miss it. Nobody knows which.\n\n"
        "More examples make the bars shorter, but slowly: for half the length it takes "
        "four times as many. And when the bars of two models overlap widely, the better "
        "score may be luck.",
        run_params={"approach": "transfer", "data": "digits", "per_class": "10",
             "seconds": "10"},
        observation="The bar around the test score.",
    ),
)  # fmt: skip

TOPICS: Mapping[str, Topic] = MappingProxyType({topic.key: topic for topic in _TOPICS})
