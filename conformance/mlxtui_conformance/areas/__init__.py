# The checks, one module per area; each exports an explicit tuple CHECKS. Nothing registers itself.
