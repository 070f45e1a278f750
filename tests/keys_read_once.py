"""Whoever imports this has the check of an RSA key done once for each text, and not for each client of each test.

The check takes a twentieth of a second, and tests open hundreds of clients with a few keys.
"""

from __future__ import annotations

from functools import cache

from api import thalex_login

thalex_login.load_pem_private_key = cache(thalex_login.load_pem_private_key)
