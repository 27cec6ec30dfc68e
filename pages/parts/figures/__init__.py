"""Figures: functions from data to Plotly dictionaries, SVG or Markdown; none uses Streamlit.

A module carries the name of what it draws. `run_snapshot` folds a run's events into what is known
so far; `style`, `plotly_parts`, `chart_text` and `markdown` are shared by all charts.
"""
