"""Measures this program: CPU, memory and time, beside what others need for the same work."""
