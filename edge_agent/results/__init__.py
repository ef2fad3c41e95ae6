"""Results coming back from the cloud. Research use, not for diagnosis."""
