"""Data of one's own: bring it, see whether it is fit, and what it says to the three questions."""

import time

import streamlit as st

from guide import APPROACHES, QUESTIONS, UNSURE, Answers, advise
from guide.questions import Question
from pages.parts.figures import dataset_charts, drawings, plotly_parts, run_snapshot as tell
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.session import guide_answers
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.start_job import start_job
from pages.parts.session.visitor import current_visitor, require_access
from pages.parts.widgets import download_offer
from pages.parts.widgets.data_upload import Upload, draw_data_upload
from pages.parts.widgets.example_cards import ExampleCard, draw_example_cards
from pages.parts.widgets.glossary import TermLinker, link_marked_terms
from pages.parts.widgets.live_plot import draw_live_plot
from pages.parts.widgets.svg import draw_svg
from trainers import datasets
from trainers.data_checks.findings import Finding
from trainers.datasets import Dataset, catalog
from trainers.datasets.uploads import BadUpload, StoredDataset, UploadedDataset, inbox
from trainers.hosting import erase, quotas, retention
from trainers.hosting.own_data import list_own_data
from trainers.jobs import DataCheck, ImportData
from trainers.store import Run, RunNotFound, get_store
from trainers.system.paths import data_dir
from trainers.system.registry import UnknownKey
from trainers.system.settings import is_hosted

POLL_SECONDS = 0.5
MAX_PASTED_CHARS = 2_000_000
MAX_COLUMN_NAME_CHARS = 200  # of a column's name. Ours
UPLOAD_METHODS = {
    "files": "A file or a folder",
    "classes": "Class by class, or the camera",
    "paste": "Paste rows",
    "download": "Download a data set",
}
BUDGET_SECONDS = 60
MAX_EXAMPLES = 6


# --- bringing it --------------------------------------------------------------------------------


def draw_upload_page() -> None:
    st.title("Your own data")
    st.markdown(
        link_marked_terms(
            "Bring pictures or texts whose right answer (the [[label]]) you know. Thaw looks them "
            "over, answers its questions from them as far as that can be measured, and trains on "
            "them."
        )
    )
    folder = "" if is_hosted() else f", in its folder `{data_dir()}`"
    st.caption(
        f":material/lock: What you add stays on the computer that Thaw runs on{folder}. Nothing is "
        "sent anywhere else, no other visitor is shown it, and you can delete it at any time. Who "
        "gets a run's link from you sees that run, not your examples."
    )
    asked = st.query_params.get("way", "")
    way = st.segmented_control(
        "How do you bring it?",
        list(UPLOAD_METHODS),
        default=asked if asked in UPLOAD_METHODS else "files",
        format_func=UPLOAD_METHODS.__getitem__,
        required=True,
        key="way",
        wrap=True,
    )
    if way == "paste":
        draw_paste_form()
    elif way == "download":
        draw_download_form()
    elif brought := draw_data_upload(way, draft=get_or_create_draft(), key=f"add-{way}"):
        import_upload(brought)
    with st.expander("Groups: is it as good for everyone?", icon=":material/balance:"):
        st.markdown(GROUPS_HELP)
    draw_dataset_list()


GROUPS_HELP = (
    "Where your examples come from different groups (places, devices, dialects, ages), a finished "
    "run can say how good the model is for each, and whether a gap is more than chance.\n"
    "- Pictures: call the folders `class@group`, such as `ants@day`, `ants@night`, `bees@day`. The "
    "class is what stands before the @.\n"
    "- Texts: a further column of the table says the group. Choose it under *Other columns*, once "
    "the table was read.\n\n"
    "The model is never told the group: it is used to look at the scores, for nothing else."
)


def get_or_create_draft() -> str:
    """Where this visitor's files gather until they are read."""
    key = st.session_state.get("draft")
    if key is None or inbox.find_draft(key) is None:
        key = st.session_state["draft"] = inbox.create_draft(current_visitor())
    return key


def draw_paste_form() -> None:
    # A widget that is not drawn forgets its value; what was pasted stays until it has been read.
    st.session_state.setdefault("pasted", st.session_state.get("pasted-kept", ""))
    text = st.session_state["pasted-kept"] = st.text_area(
        "One example a line: the text, a tab, its label. Rows copied from a spreadsheet have that "
        "form.",
        height=220,
        max_chars=MAX_PASTED_CHARS,
        placeholder="Where is my parcel?\tdelivery\nI want my money back\trefund",
        key="pasted",
    )
    # Never switched off: the text arrives with the click, so a button that waits for it takes two.
    if st.button("Read these rows", type="primary"):
        if not text.strip():
            st.warning("There is nothing to read yet. Paste some rows first.")
            return
        place = inbox.find_draft(get_or_create_draft())
        try:
            file = quotas.new_file(place, len(text.encode()))
        except BadUpload as error:
            st.warning(escape_markdown(str(error)), icon=":material/error:")
            return
        file.write_text(text, "utf-8")
        import_upload(Upload([[file.name, ["pasted rows.txt"]]], "Pasted rows"))


def draw_download_form() -> None:
    """A well-known data set, fetched when asked for."""
    key = st.selectbox(
        "Data set",
        list(catalog.CATALOG),
        format_func=lambda key: format_download_option(catalog.CATALOG[key]),
        key="online",
    )
    row = catalog.CATALOG[key]
    what = "pictures" if row.modality == "images" else "texts"
    st.markdown(
        f"{row.about} {row.classes} classes; {row.train:,} {what} to learn from and {row.test:,} "
        f"to test ({row.part})."
    )
    st.caption(f"Source: {row.source}. Licence: {row.licence}.")
    if catalog.is_downloaded(key):
        st.page_link(
            "data.py",
            label="Look it over",
            icon=MODALITY_ICONS[row.modality],
            query_params={"data": key},
        )
        return
    download_offer.draw_download_offer(
        key,
        f"{catalog.format_size(row.download_bytes)} to download, kept in "
        f"`{catalog.dataset_dir(key)}`. Nothing "
        "else is sent or loaded; from then on it works without a network.",
    )


def format_download_option(row: catalog.CatalogEntry) -> str:
    here = "here" if catalog.is_downloaded(row.key) else catalog.format_size(row.download_bytes)
    return f"{row.title} ({'pictures' if row.modality == 'images' else 'texts'}, {here})"


def import_upload(brought: Upload) -> None:
    """Has a worker read what came, and shows how far it is."""
    try:
        place = inbox.write_listing(inbox.find_draft(get_or_create_draft()), brought.files)
    except BadUpload as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return
    start_import(str(place), brought.title)


def start_import(path: str, title: str, **columns: str | None) -> None:
    if key := start_job(ImportData(path=path, title=title, visitor=current_visitor(), **columns)):
        if st.session_state.get("draft") == path.rpartition("/")[2]:
            del st.session_state["draft"]  # what comes now is another gathering
        st.query_params.from_dict({"reading": key})
        st.rerun()


def draw_dataset_list() -> None:
    st.markdown("## What you have here")
    uploads = list_own_data(current_visitor())
    if not uploads:
        st.caption("Nothing yet. The samples that come with Thaw can be looked over as well:")
    for upload in uploads:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(
                "data.py",
                label=escape_markdown(upload.title),
                icon=MODALITY_ICONS[upload.modality],
                query_params={"data": upload.key},
            )
            ends = retention.get_data_expiry(upload)
            unused = (
                time.strftime(
                    " If it is not used, it is deleted on %d %b %Y.", time.localtime(ends)
                )
                if ends
                else ""
            )
            st.caption(
                f"{escape_markdown(upload.description)} "
                f"{format_bytes(upload.size_bytes)}, "
                f"{format_added_time(upload.created_at)}.{unused}"
            )
    if uploads:
        st.caption("The samples that come with Thaw can be looked over as well:")
    with st.container(horizontal=True):
        for sample in datasets.list_available():
            st.page_link(
                "data.py",
                label=sample.title,
                icon=MODALITY_ICONS[sample.modality],
                query_params={"data": sample.key},
            )


MODALITY_ICONS = {"images": ":material/image:", "text": ":material/notes:"}


def format_bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def format_added_time(moment: float) -> str:
    return time.strftime("added %d %b, %H:%M", time.localtime(moment))


# --- while it is read -----------------------------------------------------------------------------


def draw_import_page(key: str) -> None:
    try:
        job = get_store().get_run(key)
    except RunNotFound:
        job = None
    if job is None or job.kind != "read" or job.visitor != current_visitor():
        reset_page()
    failed = job.result and "text" in job.result
    st.title(f"{'Not read:' if failed else 'Reading'} {escape_markdown(job.job.title)}")
    st.fragment(error_boundary()(watch_import), run_every=None if job.is_over else POLL_SECONDS)(
        job
    )


def reset_page() -> None:
    st.query_params.clear()
    st.rerun()


def watch_import(job: Run) -> None:
    was_over = job.is_over
    job = get_store().get_run(job.id)
    if job.is_over and not was_over:
        st.rerun()
    if not job.is_over:
        draw_progress(job, "Waiting for a free moment.")
        st.button(
            "Cancel",
            icon=":material/close:",
            on_click=error_boundary()(get_store().request_cancel),
            args=(job.id, current_visitor()),
        )
        return
    match job.result:
        case {"found": {"data": str(data)}}:
            st.session_state.pop("pasted-kept", None)
            st.query_params.from_dict({"data": data})
            st.rerun(scope="app")
        case {"type": "failed", "text": str(text)}:
            st.error(escape_markdown(text), icon=":material/error:")
            draw_column_form(job)
            if "no folders" in text and st.button("Add them class by class", type="primary"):
                st.query_params.from_dict({"way": "classes"})
                st.rerun(scope="app")
    if st.button("Add something else", icon=":material/arrow_back:"):
        reset_page()


def draw_progress(job: Run, waiting: str) -> None:
    """One line on how far a job is."""
    told = tell.fold_events([event for _, event in get_store().read_events(job.id)])
    if told.stage is None:
        st.progress(0.0, text=waiting)
        return
    share = told.progress.done / max(1, told.progress.total) if told.progress else 0.0
    st.progress(1.0 if job.is_over else min(share, 1.0), text=escape_markdown(told.stage.text))


def draw_column_form(job: Run) -> None:
    """Another try with columns named, where there is a choice and what came is still here."""
    text = job.result["text"]
    choice = "column" in text and "single column" not in text and "no rows" not in text
    if not choice or inbox.find_draft(job.job.path.rpartition("/")[2]) is None:
        return
    with st.form("columns"):
        left, right = st.columns(2)
        how = "Its name, or its number from 1."
        text = left.text_input("Column of the texts", max_chars=MAX_COLUMN_NAME_CHARS, help=how)
        label = right.text_input("Column of the labels", max_chars=MAX_COLUMN_NAME_CHARS, help=how)
        if st.form_submit_button("Read again with these columns"):
            start_import(
                job.job.path,
                job.job.title,
                text_column=text or None,
                label_column=label or None,
            )


# --- a data set -----------------------------------------------------------------------------------


def draw_dataset_page(key: str) -> None:
    try:
        sample = require_access(datasets.get_dataset(key))
    except UnknownKey as error:
        st.title("Your own data")
        st.warning(escape_markdown(str(error)), icon=":material/link_off:")
        if st.button("Add data"):
            reset_page()
        return
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.page_link("data.py", label="All data", icon=":material/arrow_back:")
        if isinstance(sample, UploadedDataset):
            with st.popover("Delete", icon=":material/delete:"):
                draw_delete_form(sample)
    st.markdown(f"# {escape_markdown(sample.title)}")
    st.markdown(
        link_marked_terms(
            f"{escape_markdown(sample.description)} {sample.classes} [[class|classes]]."
        )
    )
    left, right = st.columns([1, 1], gap="large")
    with left:
        st.markdown("## What it holds")
        draw_contents(sample)
    with right:
        st.markdown("## Is it fit?")
        check = get_or_start_check(sample)
        if check is None:
            return
        if check.is_over:
            draw_check_result(sample, check)
        else:
            st.fragment(error_boundary()(watch_check), run_every=POLL_SECONDS)(check)
    if check.is_over and "found" in (check.result or {}):
        draw_questions(sample, check.result["found"])


def draw_delete_form(sample: UploadedDataset) -> None:
    st.markdown(
        "The copy that Thaw keeps is deleted, with the examples that runs on it show, and with "
        "models without a pre-trained part, which are made of its words. Other models and all "
        "scores stay. Your own files are not touched."
    )
    if st.button("Delete it for good", type="primary"):
        erase.erase_data(sample.key)
        reset_page()


def draw_contents(sample: Dataset) -> None:
    if isinstance(sample, StoredDataset):
        draw_live_plot(
            dataset_charts.class_counts(sample.class_counts),
            key="counts",
            alt="; ".join(
                f"{name}: {learn:,} to learn from, {test:,} to test"
                for name, learn, test in sample.class_counts[: plotly_parts.MAX_BARS]
            ),
        )
        if len(sample.class_counts) > plotly_parts.MAX_BARS:
            st.caption(
                f"The {plotly_parts.MAX_BARS} largest of {len(sample.class_counts):,} classes."
            )
    cards: list[ExampleCard] = [
        {"example": example, "label": label} for example, label in sample.preview()[:MAX_EXAMPLES]
    ]
    draw_example_cards(cards, key="glimpse", colour=APPROACH_STYLES["transfer"].colour)
    if (
        isinstance(sample, UploadedDataset)
        and sample.columns
        and inbox.find_draft(sample.draft_key)
    ):
        draw_column_selection(sample)
    if isinstance(sample, StoredDataset) and sample.notices:
        with st.expander("What was noticed while reading", icon=":material/info:"):
            for notice in sample.notices:
                st.markdown(f"- {escape_markdown(notice)}")


def draw_column_selection(sample: UploadedDataset) -> None:
    """The guess of the columns can be changed as long as the files are still in the inbox."""
    with st.expander("Other columns", icon=":material/view_column:"):
        places = range(len(sample.columns))
        text, label = (
            column.selectbox(
                f"Column of the {what}",
                places,
                index=place,
                format_func=sample.columns.__getitem__,
                key=f"{what}-{sample.key}",
            )
            for column, what, place in zip(
                st.columns(2), ("texts", "labels"), sample.text_label_columns, strict=True
            )
        )
        group = st.selectbox(
            "Column of the groups, where there is one",
            [None, *places],
            index=0 if sample.group_column is None else 1 + sample.group_column,
            format_func=lambda place: "No groups" if place is None else sample.columns[place],
            key=f"groups-{sample.key}",
            help="A finished run then says how good the model is for each group. The model is "
            "never told it.",
        )
        wanted, was = (text, label, group), (*sample.text_label_columns, sample.group_column)
        if st.button(
            "Read again with these columns",
            disabled=wanted == was or len(set(wanted)) < len(wanted),
        ):
            start_import(
                str(inbox.find_draft(sample.draft_key)),
                sample.title,
                text_column=f"#{text + 1}",
                label_column=f"#{label + 1}",
                group_column=None if group is None else f"#{group + 1}",
                replaced_data=sample.key,
            )
        st.caption("The files that came are kept for a day for this, then deleted.")


def get_or_start_check(sample: Dataset) -> Run | None:
    """The newest look at the data; the first is started without being asked for. None, and said
    why, where this visitor may not start it now."""
    check = get_store().find_latest("check", sample.key)
    if check is None or st.session_state.pop("look-again", False):
        job = DataCheck(data=sample.key, seconds=BUDGET_SECONDS)
        if key := start_job(job):
            check = get_store().get_run(key)
    return check


def watch_check(check: Run) -> None:
    check = get_store().get_run(check.id)
    if check.is_over:
        st.rerun(scope="app")
    wait = get_store().estimate_wait(check.visitor, check.id)
    draw_progress(
        check, f"Busy: {tell.describe_wait(wait)}" if wait.position else "About to look it over."
    )
    st.caption("A look of some seconds: doubles, blanks, odd labels, and how special the task is.")


SEVERITY_ICONS = {
    "problem": ":red[:material/error:]",
    "warning": ":orange[:material/warning:]",
    "note": ":gray[:material/info:]",
}


def draw_check_result(sample: Dataset, check: Run) -> None:
    if "found" not in (check.result or {}):
        text = check.result["text"] if check.result and "text" in check.result else "Cancelled."
        st.error(escape_markdown(text), icon=":material/error:")
        draw_recheck_button()
        return
    found = check.result["found"]
    findings = [Finding.from_json(one) for one in found["findings"]]
    remarks = found.get("facts", {}).get("remarks", [])
    if not findings and not remarks:
        st.success("Nothing is wrong that Thaw can see.", icon=":material/check_circle:")
    for finding in findings:
        with st.container(border=True, gap="xsmall"):
            st.markdown(f"{SEVERITY_ICONS[finding.severity]} **{escape_markdown(finding.title)}**")
            st.markdown(escape_markdown(finding.effect))
            if finding.fix and isinstance(sample, StoredDataset):
                st.toggle(
                    escape_markdown(finding.fix.title), key=f"mend-{sample.key}-{finding.key}"
                )
            if finding.examples or finding.names:
                with st.expander("Show me"):
                    draw_finding_details(finding)
    for remark in remarks:
        with st.container(border=True):
            st.markdown(f"{SEVERITY_ICONS['note']} {escape_markdown(remark)}")
    with st.expander("What was looked at", icon=":material/checklist:"):
        st.markdown("\n".join(f"- {escape_markdown(one)}" for one in found.get("checked", [])))
        draw_recheck_button()


def draw_finding_details(finding: Finding) -> None:
    cards: list[ExampleCard] = [
        {"example": one.example, "label": one.label, "note": one.note} for one in finding.examples
    ]
    if cards:
        draw_example_cards(
            cards, key=f"shown-{finding.key}", colour=APPROACH_STYLES["transfer"].colour
        )
    if finding.names:
        st.markdown("\n".join(f"- {escape_markdown(name)}" for name in finding.names))


def draw_recheck_button() -> None:
    if st.button("Look again", icon=":material/refresh:"):
        st.session_state["look-again"] = True
        st.rerun(scope="app")


def list_enabled_fixes(sample: Dataset) -> tuple[str, ...]:
    """The mends that are switched on."""
    start = f"mend-{sample.key}-"
    return tuple(
        str(key).removeprefix(start)
        for key, on in st.session_state.items()
        if on and str(key).startswith(start)
    )


# --- the questions, answered ----------------------------------------------------------------------


def draw_questions(sample: Dataset, found: dict) -> None:
    st.markdown("## The questions, answered by your data")
    st.caption("Measured where it can be. Every answer is yours to change.")
    suggested, evidence = found["answers"], found["evidence"]
    given = {"modality": sample.modality}
    asked = [QUESTIONS[key] for key in ("data_volume", "data_quality", "specificity", "compute")]
    left, right = st.columns([1.2, 1], gap="large")
    with left:
        for question in asked:
            given[question.key] = draw_question(sample, question, suggested, evidence)
    answers = Answers.from_mapping(given)
    with right:
        draw_advice(sample, answers, found)


def draw_question(sample: Dataset, question: Question, suggested: dict, evidence: dict) -> str:
    titles = {option.key: option.title for option in question.options} | {UNSURE: "Not sure"}
    with st.container(border=True, gap="xsmall"):
        chosen = st.radio(
            question.title,
            list(titles),
            index=list(titles).index(suggested.get(question.key, UNSURE)),
            format_func=titles.__getitem__,
            horizontal=True,
            key=f"{question.key}-{sample.key}",
        )
        says = evidence.get(question.key, {}).get("says", "")
        if chosen != suggested.get(question.key, UNSURE):
            says += f" (Measured: {titles[suggested.get(question.key, UNSURE)]}.)"
        st.caption(escape_markdown(says))
    return chosen


def draw_advice(sample: Dataset, answers: Answers, found: dict) -> None:
    advice = advise(answers)
    approach, look = APPROACHES[advice.approach], APPROACH_STYLES[advice.approach]
    with st.container(border=True):
        words, aside = st.columns([2, 1], vertical_alignment="center")
        words.caption("The article's rules then point to")
        words.markdown(f"## :{look.badge}[{approach.title}]")
        with aside:
            draw_svg(drawings.layer_stack(advice.approach), key="advised")
        explain = TermLinker("lora", "pre-trained", "overfitting")
        for rule in advice.matching_rules:
            st.markdown(f"- {explain(rule.because)}")
        st.caption(advice.strength_text)
        on = list_enabled_fixes(sample)
        settings = {"approach": advice.approach, "data": sample.key, "seconds": str(BUDGET_SECONDS)}
        settings[guide_answers.PARAM] = guide_answers.encode(answers)
        if on:
            settings["mends"] = ",".join(on)
        label = "Run it on this data"
        if st.button(label, type="primary", icon=":material/play_arrow:", width="stretch"):
            st.switch_page("run.py", query_params=settings)
        if on:
            st.caption(f"With {len(on)} of the mends above.")
        st.page_link(
            "guide.py",
            label="Take these answers to the guide",
            icon=":material/explore:",
            query_params={key: value for key, value in vars(answers).items() if value != UNSURE},
        )
    times = found["evidence"].get("compute", {}).get("per_approach", {})
    if times:
        st.markdown("### How long each would take here")
        draw_live_plot(
            dataset_charts.estimated_times({key: one["seconds"] for key, one in times.items()}),
            key="times",
            alt="; ".join(
                f"{APPROACHES[key].title}: {one['seconds']:.0f} seconds"
                for key, one in times.items()
            ),
        )
        st.caption("From a few timed steps on this computer; runs often end sooner.")


if key := st.query_params.get("reading"):
    draw_import_page(key)
elif key := st.query_params.get("data"):
    draw_dataset_page(key)
else:
    draw_upload_page()
