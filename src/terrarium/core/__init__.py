"""The words of the language; imports nothing else of the package."""
