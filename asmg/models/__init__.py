"""`asmg models`: what has been made, of what, by which bytes; what serves, and going back."""
