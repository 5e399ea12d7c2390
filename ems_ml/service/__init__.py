"""The outside: use cases (`app`), command line (`cli`), API (`api`), `worker`, supervisor (`serve`), dashboard."""
