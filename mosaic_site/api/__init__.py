"""What the addresses below `/api/v1/` share: who asks, with which right, how often, and how it is
answered. The addresses themselves are each app's own, in its `api` folder."""
