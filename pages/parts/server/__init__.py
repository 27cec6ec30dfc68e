"""The web server around the pages: middleware, the health check, and repairs of Streamlit."""
