"""Accounts: who may do what on the console, how a person or a machine proves to be it, and what they did."""
