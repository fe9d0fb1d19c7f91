"""What calls cost: the ledger of all of them, in which budgets are kept."""
