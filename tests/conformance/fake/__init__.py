"""A small correct server and its switchable defects: what the conformance suite is proven against."""
