"""Many runs from one plan: their queue, on this machine or on a Ray cluster, and its record."""
