"""Runs `tsm-gateway` as `python -m tsm_gateway`."""

from tsm_gateway.cli import main

main()
