"""The cloud server: steps 8 to 13 of the line. Imports itself and `sonorelay` only."""
