"""A GSM modem behind AT commands (3GPP TS 27.005, TS 27.007): the lines both ways, and what to say when.

Everything here is without IO and without a clock. The folder in reading order: `at_command` (what we may
say), `at_reply` (what a modem may say), `exchange` (one command in flight), the talks (`initialise`,
`sweep`, `acknowledge`, `sending`, `upkeep`) and `engine`, which runs them.
"""
