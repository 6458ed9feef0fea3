"""Who takes part: members, and the stewards among them."""
