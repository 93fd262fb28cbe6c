"""`revops report --html`: from a period's figures to one page that opens anywhere, alone."""
