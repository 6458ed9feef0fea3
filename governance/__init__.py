"""How people decide: rounds, proposals, ballots and decisions."""
