"""What people bring: priorities, datasets and experts."""
