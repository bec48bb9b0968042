"""The sandbox of Linux namespaces."""
