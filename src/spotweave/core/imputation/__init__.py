"""Genes that were not measured: a panel of the target tissue, a reference with all genes, and routes from one to the other."""
