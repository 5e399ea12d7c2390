"""The formats of keys and tokens that their vendors publish, so that one is known wherever it stands.

A table of our own: scanners such as detect-secrets say *that* a file holds a secret. They match part of it
(a token web without its signature, the first line of a private key), which is no use for taking it out, and
importing their patterns costs a tenth of a second on the serving path.
"""

from __future__ import annotations

import re

_FORMATS = (
    r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[A-Z0-9]{16}",  # AWS key id
    r"gh[pousr]_[A-Za-z0-9]{30,}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{30,}",
    r"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent)-[\w-]{20,}",  # GitLab
    r"xox[abeoprs]-[\w-]{10,}",  # Slack
    r"xapp-\d-[\w-]{10,}",
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
    r"whsec_[A-Za-z0-9+/=]{20,}",
    r"sk-(?:[a-z]{2,12}-)?[\w-]{20,}",  # OpenAI, Anthropic
    r"AIza[\w-]{35}",  # Google
    r"ya29\.[\w-]{20,}",
    r"GOCSPX-[\w-]{20,}",
    r"pypi-AgEI[\w-]{50,}",  # PyPI
    r"npm_[A-Za-z0-9]{36}",
    r"SG\.[\w-]{16,}\.[\w-]{30,}",  # SendGrid
    r"sq0[a-z]{3}-[\w-]{22,}",  # Square
    r"hf_[A-Za-z0-9]{30,}",  # Hugging Face
    r"dop_v1_[a-f0-9]{64}",  # DigitalOcean
    r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",  # Shopify
    r"EAACEdEose0cBA[A-Za-z0-9]{10,}",  # Facebook
    r"\d{8,10}:AA[\w-]{33}",  # Telegram
    r"key-[0-9a-f]{32}",  # Mailgun
    r"[0-9a-f]{32}-us\d{1,2}",  # Mailchimp
    r"(?:AC|SK)[0-9a-f]{32}",  # Twilio
    r"[MNO][\w-]{23,}\.[\w-]{6}\.[\w-]{27,}",  # Discord
    r"eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]{0,}){0,3}=*",  # JSON Web Token
)

#: Any of them, standing on its own or behind an escaped line end.
KEY = re.compile(rf"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))(?:{'|'.join(_FORMATS)})(?![A-Za-z0-9])")

#: A private key from its first line to its last, or to the end of a text that was cut.
PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
WEBHOOK = re.compile(r"(https://(?:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks)/)[\w/-]{8,}")
AZURE = re.compile(r"((?:AccountKey|SharedAccessKey|sig)=)[A-Za-z0-9+/%]{20,}={0,2}")
