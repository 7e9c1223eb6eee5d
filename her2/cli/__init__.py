"""The command line: what was typed becomes settings, and settings one command."""
