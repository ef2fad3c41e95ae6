"""Step 4 of 13: de-identify. Nothing leaves the site but what is rebuilt here from an allow-list.

Doubt holds the image.
"""
