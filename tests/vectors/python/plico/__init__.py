"""Plico's protocol, written from protocol/SPEC.md. Each function names the section it implements.

For test vectors only: it is neither constant-time nor does it erase secrets.
"""
