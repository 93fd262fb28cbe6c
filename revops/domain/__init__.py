"""The vocabulary: frozen values without behaviour but arithmetic. Imports nothing of ours."""
