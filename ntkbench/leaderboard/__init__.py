"""Publish runs: receipts, their verification, and the boards built from them."""
