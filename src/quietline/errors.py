"""Every error Quietline raises on purpose, as one tree.

Each carries `diagnostics`: what was wrong, where, and what to do about it. None of them ever holds personal data, for
error texts travel into logs and pages. `web/problems.py` turns the tree into HTTP problems, in that one place.
"""

from __future__ import annotations


class QuietlineError(Exception):
    """The base; `str(error)` is safe to log and to show to the operator."""


class ConfigError(QuietlineError):
    """The configuration is wrong: names the file, line, key and the fix."""


class ProtocolError(QuietlineError):
    """A peer (SIP, ng, vault socket) sent what its protocol does not allow."""


class Unavailable(QuietlineError):
    """A part that is needed does not answer. Nothing is revealed meanwhile; calls still route."""


class VaultLocked(Unavailable):
    """The vault runs but has no key: it must be unsealed."""


class LedgerUnavailable(Unavailable):
    """An entry could not be made durable, so whatever waited for it stays hidden."""


class RelayUnavailable(Unavailable):
    """rtpengine does not answer, or refused a command."""


class EdgeUnavailable(Unavailable):
    """Kamailio does not answer on its RPC socket."""


class Denied(QuietlineError):
    """Policy, grant or assurance says no. `reason` is a closed word that a page can explain."""

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"denied: {reason}" + (f" ({advice})" if advice else ""))
        self.reason = reason
        self.advice = advice


class NotSignedIn(Denied):
    """No session, or one that has ended."""


class TamperError(QuietlineError):
    """Stored data does not match what vouched for it: a ciphertext, a policy input, a ledger entry."""
