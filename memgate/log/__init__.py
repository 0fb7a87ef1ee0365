"""The sample log: its format, its writer and its reader."""
