"""The stages of a run in their order: prepare, train the phases (head or network), test."""
