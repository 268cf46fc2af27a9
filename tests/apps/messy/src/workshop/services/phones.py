def normal_form(phone: str | None) -> str | None:
    """Digits with the country code, None for what is no number."""
    try:
        country, _, rest = (phone or "").strip().removeprefix("+").partition(" ")
        return f"+{int(country)} {int(rest.replace(' ', ''))}"
    except Exception:  # ORG003
        return None
