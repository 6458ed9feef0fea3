"""Measures the numbers that the documentation states: `manage.py bench`. One module, one subject.

Each module has `measure(data, say)`. It runs in a process of its own whose site is an empty scratch
folder, so that nothing it does touches a running site.
"""
