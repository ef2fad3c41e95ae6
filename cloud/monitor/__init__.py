"""Watches over the line and the server: resources, agents, models, checks; alarms that reach people."""
