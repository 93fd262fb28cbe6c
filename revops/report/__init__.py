"""From records to what a person reads: pages of lines and tables, and JSON. Pure; `cli` shows them."""
