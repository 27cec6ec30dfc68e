"""The Learn page: each topic with its interactive figure (`topics`), and the terms (`glossary`)."""
