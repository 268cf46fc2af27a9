from slowapi import Limiter
from slowapi.util import get_remote_address

from workshop.config import settings

limiter = Limiter(key_func=get_remote_address, key_style="endpoint", storage_uri=settings.rate_limit_storage)
