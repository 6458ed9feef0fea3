"""What the machine does, for programs: the addresses of `/api/v1/` that belong to this floor."""
