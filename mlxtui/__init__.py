"""mlxtui: a terminal-operated, OpenAI-compatible inference server for Apple's MLX."""

__version__ = "0.1.0"
