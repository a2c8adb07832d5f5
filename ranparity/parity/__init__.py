"""The ladder of evidence: what is compared, and what counts as a difference."""
