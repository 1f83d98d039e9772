"""Metrics, protocols, peers and reports."""
