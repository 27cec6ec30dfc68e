"""The choice of a backbone, one from Hugging Face by its name included."""

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.widgets.glossary import link_term
from trainers import backbones, datasets
from trainers.plan import BadPlan
from trainers.reports.sentences import format_count
from trainers.system.registry import UnknownKey

HUB_PREFIX = "hf:"


def choose_backbone(sample: datasets.Dataset) -> str:
    """Return the key of the chosen backbone, which may have to be downloaded. Raises `BadPlan`."""
    rows = {row.key: row for row in backbones.list_for_modality(sample.modality)}
    wanted = st.query_params.get("backbone", "")
    offers_hub = sample.modality == "text"
    keys = [*rows, *([HUB_PREFIX] if offers_hub else [])]
    named = HUB_PREFIX if offers_hub and wanted.startswith(HUB_PREFIX) else wanted
    backbone = st.selectbox(
        "Backbone (the pre-trained model)",
        keys,
        index=keys.index(named if named in keys else backbones.pick_default(sample).key),
        format_func=lambda key: (
            format_backbone_option(rows[key]) if key in rows else "Another, by its name …"
        ),
        key=f"backbone_{sample.key}",
    )
    if backbone == HUB_PREFIX:
        name = st.text_input(
            "Name of an encoder at Hugging Face",
            wanted.removeprefix(HUB_PREFIX) if named == HUB_PREFIX else "",
            max_chars=backbones.MAX_HUB_KEY_CHARS,
            placeholder="organisation/model, or organisation/model@revision",
            key="hub_name",
            help="Any text encoder with weights as safetensors. No code of its own is ever run.",
        )
        backbone = HUB_PREFIX + name.strip() if name.strip() else backbones.pick_default(sample).key
    try:
        row = backbones.pick(backbone)
    except UnknownKey as error:
        raise BadPlan(str(error)) from None
    named = link_term("weights", "numbers (parameters)")
    numbers = f"; {format_count(row.parameters)} {named}" if row.parameters else ""
    st.caption(
        f"{row.good_for} Reads {row.input_description}{numbers}. "
        f"{escape_markdown(row.source)}, {row.licence}."
    )
    return backbone


def format_backbone_option(row: backbones.Backbone) -> str:
    return (
        row.title
        if backbones.is_downloaded(row)
        else f"{row.title} · {row.download_size} to download"
    )


def select_backbone(data: str, key: str) -> None:
    """Choose a backbone for `data` in the form."""
    st.session_state[f"backbone_{data}"] = key
    st.query_params["backbone"] = key
