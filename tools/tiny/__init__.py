"""Development-only recipe of the embedded default model: corpus, tokenizer, training, evaluation."""
