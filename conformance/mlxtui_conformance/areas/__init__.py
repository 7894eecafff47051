"""The checks, a module for each area; each exports an explicit tuple CHECKS. Nothing registers itself."""
