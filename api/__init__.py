"""The HTTP service: requests, jobs and their store."""
