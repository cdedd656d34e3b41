"""What schemathesis can't know: a living credential for each request, and the client's own at the OAuth endpoints."""

import base64
import json
import os
import urllib.request

import schemathesis

CLIENT = "Basic " + base64.b64encode(os.environ["E2E_CLIENT"].encode()).decode()
OF_CLIENTS = ("/oauth/token", "/oauth/revoke", "/oauth/introspect")


@schemathesis.auth(refresh_interval=None)
class Credential:
    """Asks the helper in run.js, which logs in again whenever a request has ended its own session."""

    def get(self, case, context):
        if context.operation.path in OF_CLIENTS:
            return {"authorization": CLIENT}
        with urllib.request.urlopen(os.environ["E2E_CREDENTIALS"]) as answer:
            return json.load(answer)

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), **data}


@schemathesis.hook
def before_call(context, case, kwargs):
    """An answer that redirects is the gateway's own answer; where it leads is another server's matter."""
    kwargs["allow_redirects"] = False
