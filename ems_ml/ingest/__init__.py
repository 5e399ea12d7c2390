"""Where errors come from: files and pipes, Sentry's clients, pytest's report log, the `logging` module."""
