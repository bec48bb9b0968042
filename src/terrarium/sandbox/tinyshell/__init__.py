"""The file tree and the shell of the memory sandbox: deterministic, in-process, without threads or wall time."""
