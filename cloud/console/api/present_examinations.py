"""Step 13 of 13: console. From the server's examinations to what the page shows."""

from __future__ import annotations

from collections.abc import Sequence

from cloud.console.api.examination_models import (
    Examination,
    ExaminationAge,
    LeadFacts,
    ProtocolItem,
    ProtocolState,
    Signature,
    SignedFacts,
)
from cloud.console.api.models import Sentence
from cloud.console.api.site import Site
from cloud.examinations.completeness import Coverage
from cloud.examinations.items import Examination as StoredExamination
from cloud.examinations.items import GivenAge
from cloud.examinations.leads import Lead
from cloud.examinations.protocol import Protocol, Words
from cloud.examinations.signing import Signature as StoredSignature
from cloud.infer.assess import age_text


def examination(stored: StoredExamination, site: Site, lead: Lead | None) -> Examination:
    """The examination as the page shows it."""
    signed = stored.signed
    return Examination(
        examination_id=stored.examination_id,
        number=stored.number,
        device_id=stored.device_id,
        bound_by=stored.bound_by,
        patient_key=stored.patient_key,
        gestational_age=None if stored.age is None else _age(stored.age),
        began_time=stored.began_time,
        updated_time=stored.updated_time,
        newest_slot=stored.newest_slot,
        capture_count=stored.capture_count,
        image_count=stored.image_count,
        read_count=stored.read_count,
        reviewed_count=stored.reviewed_count,
        status=stored.state,
        findings=site.sex.facts(list(stored.findings)),
        lead=None if lead is None else _lead(lead, site),
        signed=None
        if signed is None
        else SignedFacts(time=signed.time, by=signed.by, changed_after=signed.changed_after),
        seen_count=stored.seen_count,
        item_count=stored.item_count,
    )


def protocol_state(protocol: Protocol, coverage: Sequence[Coverage], site: Site) -> ProtocolState:
    """What of the protocol was seen in one examination."""
    return ProtocolState(
        name=_words(protocol.name),
        version=site.sex.text(protocol.version),
        source=Sentence(en=site.sex.text(protocol.source.en), zh=site.sex.text(protocol.source.zh)),
        items=[
            ProtocolItem(
                key=one.item.key,
                text=_words(one.item.name),
                group=_words(protocol.groups[one.item.group]),
                by_hand=not one.item.seen_by,
                seen=one.is_seen,
                image_ids=list(one.image_ids),
                ticked_by=one.tick.by if one.tick else None,
                ticked_time=one.tick.time if one.tick else None,
            )
            for one in coverage
        ],
    )


def signature(stored: StoredSignature, site: Site) -> Signature:
    """A signature as the page shows it."""
    return Signature(
        signature_id=stored.signature_id,
        content=stored.content.hex(),
        image_count=stored.image_count,
        reviewed_count=stored.reviewed_count,
        override=None if stored.override is None else site.sex.text(stored.override),
        signer=stored.signer,
        time=stored.time,
        ledger_index=stored.ledger_index,
    )


def _words(words: Words) -> Sentence:
    return Sentence(en=words.en, zh=words.zh)


def _age(age: GivenAge) -> ExaminationAge:
    return ExaminationAge(days=age.days, text=age_text(age.days), time=age.time, source=age.source, by=age.by)


def _lead(lead: Lead, site: Site) -> LeadFacts:
    return LeadFacts(
        capture_id=lead.capture_id,
        image_id=lead.image_id,
        finding=None if lead.finding is None else site.sex.label(lead.finding),
        not_normal=lead.not_normal,
        reason=lead.reason,
    )
