"""Sentences from the documentation of the running Python's own library, labelled by topic.

The source files are parsed where they lie: nothing is downloaded, and no module is imported for
its documentation, since some print, warn or open a window when they are.
"""

import ast
import re
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

# Names of Python 3.11 to 3.14; those that the running Python lacks are passed over. Left out are
# tkinter, which Debian packs apart, and modules that would do for two topics.
TOPIC_MODULES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        topic: tuple(names.split())
        for topic, names in {
            "networking": "ftplib http ipaddress nntplib socket socketserver ssl telnetlib urllib "
            "webbrowser wsgiref xmlrpc",
            "email": "email imaplib mailbox mailcap mimetypes poplib quopri smtpd smtplib",
            "concurrency": "_threading_local asyncio concurrent multiprocessing queue sched "
            "selectors subprocess threading",
            "files and folders": "_pyio bz2 compression filecmp fileinput fnmatch genericpath "
            "glob gzip io lzma ntpath os pathlib posixpath shutil stat tarfile tempfile zipapp "
            "zipfile",
            "numbers and dates": "_pydatetime _pydecimal _pylong _strptime calendar colorsys "
            "datetime decimal fractions numbers random statistics zoneinfo",
            "text and markup": "_markupbase configparser csv difflib html json plistlib pprint re "
            "reprlib string textwrap tomllib xml",
            "testing and debugging": "_py_warnings bdb cProfile doctest pdb profile pstats timeit "
            "trace traceback tracemalloc unittest warnings",
            "code and imports": "annotationlib ast code codeop compileall dis imp importlib "
            "inspect modulefinder pkgutil py_compile pyclbr runpy symtable tabnanny tokenize "
            "typing zipimport",
            "the language": "pydoc_data",
        }.items()
    }
)
SENTENCE_WORDS = range(6, 41)  # in a sentence
MIN_CONTENT_WORDS = 4  # different words in it, beyond those found `ANYWHERE`
SHINGLE_WORDS = 3  # words in a row
NEAR_DUPLICATE_SHARE = 0.4  # of such runs: texts that share more are near repeats

PRIVATE_NAME = re.compile(r"_(?!_)")
SKIPPED_NAMES = {"test", "tests", "debugger"}  # folders, and the page that is not on the language

# One such line and a paragraph is left out: code, a list, a table, a heading, a parameter.
NOT_PROSE = re.compile(
    r"^\s|^[-*+•|:@$#=~.%]|^\(?\w{1,2}[.)]\s|^\[|>>>|::|->|\w {3,}\w|[-=*]{4}|^\S+(?: --? |\s*:$)"
    r"|^(?!Note|Warning)\w+: |^(?:New|Changed|Deprecated|Added|Removed) (?:in|since)\b|Copyright",
    re.MULTILINE,
)
MARKUP = (
    (re.compile(r":[a-z:]+:(?=`)"), ""),  # :class:`Foo`
    (re.compile(r"`+([^`']+)'+(?!\w)"), r"'\1'"),  # `Foo'
    (re.compile(r"[`“”]+"), ""),
    (re.compile(r"[‘’]"), "'"),
    (re.compile(r"(?<!\w)\*+(\w[^*\"]*?)(?<=\w)\*+(?!\w)"), r"\1"),  # *Foo*, **Foo**
    (re.compile(r'"([\w.]+(?:\(\))?)"'), r"\1"),  # how pydoc_data quotes code
    (re.compile(r"\s*\[\d+\]"), ""),  # footnotes
    (re.compile(r"(?<=[a-z]-)\n\s*(?=[a-z])"), ""),
    (re.compile(r"\s+"), " "),
)
SENTENCE_END = re.compile(  # of sentences, but not of "e.g." and the like
    r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<!cf\.)(?<!vs\.)(?<!\.\.)\s"
    r"|(?<=etc\.)\s(?=[A-Z])|(?<=[.!?]\))\s(?=[A-Z])"
)
SENTENCE_START = re.compile(
    r"[\"']?[A-Z]|[\"']\w|\w+(?:_|\.\w|\([\w, ]*\) )"
)  # small only where code
PLAIN_WORD = re.compile(r"[\"'(]?[A-Za-z][a-z]*(?:['-][a-z]+)*[.,;:!?)\"']*")
CODE_FRAGMENT = re.compile(r"[=<>{}\[\]|\\@^~#$]|//|\bXXX|TODO|--\w")
# A sentence holds some of these; a list of names or half a formula does not.
STOPWORDS = frozenset(
    str.split(
        "a an and any are as at be been but by can for from has have if in into is it its may "
        "must no not of on one only or other should so such than that the their them then there "
        "these they this to used was when where which will with without you"
    )
)
# What the documentation of anything is full of: a text of nothing else could be of any topic.
GENERIC_WORDS = STOPWORDS | frozenset(
    str.split(
        "all also always another argument arguments attribute attributes because before being "
        "both call called calling calls case cases class classes could current default defaults "
        "does each either empty else error exception exceptions exist exists false first "
        "following function functions give given gives instance instances instead just keyword "
        "last like list make makes method methods more most name names need needs never new none "
        "note object objects optional otherwise parameter parameters pass passed python raise "
        "raised raises result results return returned returning returns same second see self set "
        "sets some specified subclass subclasses support supports supported take takes true type "
        "two use uses using value values want were what whether would your"
    )
)


def load_sentences() -> tuple[list[str], list[str]]:
    """Texts and their topics, in a fixed order, each text once.

    Topics follow one another as in `TOPICS`. No two texts are near repeats, so a split by text
    keeps what is learned apart from what is tested. Both lists are empty where Python came
    without its source.
    """
    found = [
        (text, topic)
        for topic, names in TOPIC_MODULES.items()
        for page in iter_documentation(names)
        for text in iter_sentences(page)
    ]
    kept = drop_near_duplicates(found)
    return [text for text, _ in kept], [topic for _, topic in kept]


def iter_documentation(names: Iterable[str]) -> Iterator[str]:
    """The docstrings in these modules and packages of the library, file after file."""
    library = Path(sysconfig.get_path("stdlib"))
    for name in names:
        inside = sorted((library / name).rglob("*.py"))
        for path in [library / f"{name}.py", *inside]:
            if path.is_file() and SKIPPED_NAMES.isdisjoint(path.relative_to(library).parts):
                yield from iter_docstrings(ast.parse(path.read_bytes()))


def iter_docstrings(node: ast.AST) -> Iterator[str]:
    """The docstrings in a parsed module, top down, but for what is private or inside a function.

    The module `pydoc_data.topics` is one table of pages: each counts as a docstring.
    """
    match node:
        case ast.Assign(targets=[ast.Name("topics")], value=ast.Dict() as table):
            pages = ast.literal_eval(table)
            yield from (pages[key] for key in pages if key not in SKIPPED_NAMES)
        case ast.ClassDef(name) | ast.FunctionDef(name) | ast.AsyncFunctionDef(name) if (
            PRIVATE_NAME.match(name)
        ):
            pass
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield ast.get_docstring(node) or ""
        case ast.Module() | ast.ClassDef():
            yield ast.get_docstring(node) or ""
            for child in node.body:
                yield from iter_docstrings(child)
        case ast.If() | ast.Try():
            for child in ast.iter_child_nodes(node):
                yield from iter_docstrings(child)


def iter_sentences(page: str) -> Iterator[str]:
    """The sentences of a page that read as English."""
    for paragraph in re.split(r"\n\s*\n", page):
        if NOT_PROSE.search(paragraph):
            continue
        for pattern, replacement in MARKUP:
            paragraph = pattern.sub(replacement, paragraph)
        yield from filter(is_english, SENTENCE_END.split(paragraph.strip()))


def is_english(text: str) -> bool:
    """Return whether a text is one whole sentence, mostly of plain words."""
    words = text.split()
    return (
        len(words) in SENTENCE_WORDS
        and bool(SENTENCE_START.match(text))
        and text.rstrip("\"')")[-1:] in {".", "!", "?"}
        and not CODE_FRAGMENT.search(text)
        and text.count("(") == text.count(")")
        and text.count('"') % 2 == 0
        and sum(word.lower() in STOPWORDS for word in words) >= max(2, len(words) / 6)
        and len(set(re.findall("[a-z]{3,}", text.lower())) - GENERIC_WORDS) >= MIN_CONTENT_WORDS
        and sum(bool(PLAIN_WORD.fullmatch(word)) for word in words) >= 0.7 * len(words)
    )


def drop_near_duplicates(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The (text, topic) pairs less all texts under two topics, and less later near repeats.

    Case, digits and punctuation do not count. Two texts are near repeats when, of all the runs
    of `SHINGLE` words in either, more than `NEAR` are in both.
    """
    normal = [(tuple(re.findall(r"[^\W\d_]+", text.lower())), text, topic) for text, topic in found]
    topics_of = defaultdict(set)
    for words, _, topic in normal:
        topics_of[words].add(topic)
    kept: list[tuple[str, str]] = []
    sizes: list[int] = []
    where = defaultdict(list)  # shingle -> positions in `kept`
    for words, text, topic in normal:
        if len(topics_of[words]) > 1:
            continue
        shingles = {
            words[i : i + SHINGLE_WORDS] for i in range(max(1, len(words) - SHINGLE_WORDS + 1))
        }
        shared = Counter(at for shingle in shingles for at in where.get(shingle, ()))
        if any(
            n / (len(shingles) + sizes[at] - n) > NEAR_DUPLICATE_SHARE for at, n in shared.items()
        ):
            continue
        for shingle in shingles:
            where[shingle].append(len(kept))
        kept.append((text, topic))
        sizes.append(len(shingles))
    return kept
