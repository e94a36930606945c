"""The formats: one file a service, one row an endpoint. A new format is a file with ENDPOINTS and a line here."""

from edgeturn.tokens.endpoint import Endpoint
from edgeturn.tokens.formats import cloudflare, matrix, rest, twilio, xirsys

ENDPOINTS: tuple[Endpoint, ...] = (
    *twilio.ENDPOINTS,
    *xirsys.ENDPOINTS,
    *cloudflare.ENDPOINTS,
    *rest.ENDPOINTS,
    *matrix.ENDPOINTS,
)
