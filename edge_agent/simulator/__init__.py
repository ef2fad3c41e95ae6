"""The virtual scanner: made-up ultrasound examinations of known truth. Research use, not for diagnosis."""
