"""`asmg forget`: a user taken out of everything that is kept, and what cannot be reached named."""
