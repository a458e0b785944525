"""Expression predicted from stained images: what is predicted, on which genes, and how it is judged honestly."""
