"""What can be wrong with an installation, and how to mend it: pure checks, from facts to findings, by subject.

Each check says one thing that its reader can act on. A check whose facts couldn't be had says so; what stands in the
way is another one's finding.
"""
