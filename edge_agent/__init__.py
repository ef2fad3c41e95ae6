"""The edge agent: steps 1 to 7 of the line. Imports itself and `sonorelay` only."""
