"""The demo community: a neighbourhood whose people bring what they know. It uses the same actions
as everybody; only its clock is quicker."""
