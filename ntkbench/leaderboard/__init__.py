"""Publishing: receipts of runs, their verification, and the boards that are built from them."""
