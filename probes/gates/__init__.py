"""Gates that open and close: what each sample opens, what that costs it, and what it needs it for."""
