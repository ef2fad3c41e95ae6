"""Examinations: which prints belong together, how the whole stands, what persons said of it.

A print belongs to exactly one examination. Identity decides where the machine gave one (`study`); else device and
time are a guess, and every place says so. Research use, not for diagnosis.
"""
