"""What the engine on PostgreSQL is made of; nothing of it is loaded before such an address is opened."""
