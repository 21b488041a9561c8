"""Events, and the periods they form."""
