"""What spots are made of: cell types of a reference, found in mixed counts."""
