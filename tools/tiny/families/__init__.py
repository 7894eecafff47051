"""The families of the corpus: each module turns a Source into conversations of a few kinds."""
