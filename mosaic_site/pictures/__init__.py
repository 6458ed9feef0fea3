"""Pictures of every page of a running site, as those see it who can sign in to the demo."""
