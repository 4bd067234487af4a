"""From speech to mouth codes: the corpus, visemes, coarticulation, the voice network."""
