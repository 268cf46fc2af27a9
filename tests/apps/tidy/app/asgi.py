"""What the server imports."""

import logging

from app.main import create_app
from app.middleware import RequestIdFilter
from app.settings import get_settings

handler = logging.StreamHandler()
handler.addFilter(RequestIdFilter())
handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"))
logging.getLogger("app").addHandler(handler)
logging.getLogger("app").setLevel(logging.INFO)

app = create_app(get_settings())
