"""One module a command of `ems`; each holds its `command` and only reads options, calls a use case and prints."""
