"""Looking after the machine: `health` (checks with a remedy), `resources` (its use), `recovery` (restarts)."""
