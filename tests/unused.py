"""Names that look unused to vulture, each with the reason why it is not."""
