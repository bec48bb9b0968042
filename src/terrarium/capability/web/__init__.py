"""Web sites of a world: files, answers and applications at host names that a task invents."""
