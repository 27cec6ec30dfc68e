"""The Learn page: `topics` has each topic's text and its interactive figure, `glossary` the terms."""
