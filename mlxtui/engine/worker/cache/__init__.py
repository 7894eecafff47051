"""The prompt cache: KV caches of finished requests, found again by what prompts begin with."""
