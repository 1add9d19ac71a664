"""What the engine on PostgreSQL is made of.

Beyond how addresses are read, nothing of it is loaded before such an address is opened.
"""
