"""Each request comes from an address of its own: the platform limits what one address may do without a good key."""

from itertools import count

import schemathesis

ADDRESSES = count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    case.headers["X-Forwarded-For"] = f"2001:db8::{next(ADDRESSES):x}"
