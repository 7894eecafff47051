"""Development-only recipe of the embedded default model: corpus, tokenizer, training, evaluation."""

from pathlib import Path

SHIPPED = Path(__file__).parents[2] / "mlxtui" / "tiny"
"""Where the artefacts of the model are kept and shipped from."""
