"""What a file holds: facts, ledger of bits, maps, salvage."""
