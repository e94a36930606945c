"""The formats: one file a service, one row an endpoint. A new format is a file with ENDPOINTS and a line here."""

from edgeturn.tokens.formats import cloudflare, matrix, rest, twilio, xirsys
from edgeturn.tokens.model import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *twilio.ENDPOINTS,
    *xirsys.ENDPOINTS,
    *cloudflare.ENDPOINTS,
    *rest.ENDPOINTS,
    *matrix.ENDPOINTS,
)
