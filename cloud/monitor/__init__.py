"""Watches over the line: captures that were announced and did not come."""
