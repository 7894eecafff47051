"""The models that are on this machine and those on the Hub: found, judged, fetched, removed. No model is loaded here.

Names and folders come in, Entries and progress go out. It does not know MLX, HTTP servers or terminals.
"""
