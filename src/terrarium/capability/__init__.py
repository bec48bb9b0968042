"""Services of a world, one file each."""
