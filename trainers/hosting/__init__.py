"""Whose runs and data are, how much of them one visitor may have, who else sees them, how long they
are kept, and that what is deleted is gone. Light: pages read it.

`settings` has all that a host may set; `accounts` who a visitor is; `limits` what they may start;
`sharing` the links; `retention` how long things are kept; `erase` the end of them.
"""
