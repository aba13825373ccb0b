"""Whether a model is the one that a bank was made with."""

from __future__ import annotations

import logging

from asd_edge.calibration.bank.bank import Bank
from asd_edge.runtime.inference.model import Model

log = logging.getLogger(__name__)


def require_model_of(bank: Bank, model: Model) -> None:
    """Refuse a model that did not make the bank, and tell where another file of the same model is accepted.

    Raises:
        BankError: The bank was made with another model.
    """
    bank.check_model(model.sha256, model.description, model.probe)
    if model.sha256 != bank.info.model_sha256:
        log.info(
            "The bank was made with another file of the model %s (SHA-256 %s...); this one (%s...) gives the same for "
            "known sounds, so the bank is used.",
            model.description,
            bank.info.model_sha256[:12],
            model.sha256[:12],
        )
