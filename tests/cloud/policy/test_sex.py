"""What tells the sex of a fetus, and that none of it gets past the border."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from cloud.config import FETAL_SEX
from cloud.console.api.app import openapi_document
from cloud.console.api.facts import model_facts, reasons
from cloud.console.api.present import work_item
from cloud.console.api.site import Site
from cloud.infer import ModelInfo
from cloud.items import CaptureState, ImageState
from cloud.policy.sex import WITHHELD, FetalSex, SexPolicy, names_sex, states_sex
from tests.cloud.console.test_console_present import image, item
from tests.cloud.console.world import Verdict, brain_shot, made_reading


@pytest.mark.req("BEY-06")
@pytest.mark.parametrize(
    "text",
    [
        "It is a boy.",
        "GIRL",
        "female fetus",
        "a healthy male",
        "fetal sex: M",
        "sex = f",
        "gender f",
        "son",
        "46,XY",
        "46 XX",
        "penis seen",
        "scrotum normal",
        "labia",
        "♂",
        "胎儿♀",
        "👦",
        "男",
        "女胎",
        "男 胎",
        "男_宝",
        "性别：女",
        "性别男",
        "是个女孩",
        "儿子",
        "千金",
        "生了公子",
        "阴囊可见",
        "男\u200b孩",
        "ｂｏｙ",
        "ＧＩＲＬ",
        "mal\u200be fetus",
        "nan hai",
        "nühai",
        "Y chromosome",
        "女士，您怀的是女孩",
        "female patient, female fetus",
    ],
)
def test_what_states_the_sex_is_seen(text: str) -> None:
    """English and Chinese words, signs, spaced, full-width and with letters that nobody sees."""
    assert states_sex(text)


@pytest.mark.req("BEY-06")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "李女士，28岁",
        "孕妇为妇女保健院患者",
        "女医生签字",
        "女性患者，孕20周",
        "男方染色体正常",
        "子女两人",
        "female patient, 31 years",
        "The woman is well; male partner healthy.",
        "male infertility treated",
        "Johnson and Sonnenberg 2020",
        "son0graphy of the season",
        "tested twice, testing goes on",
        "HC 176 mm at the 45th centile",
        "external genitalia not assessed",
        "normal karyotype",
        "boycott",
        "侧脑室增宽 11 mm",
        "好的，请复查",
        "sex chromosomes not tested",
    ],
)
def test_what_is_no_statement_about_the_fetus_passes(text: str) -> None:
    """The mother, staff, relatives, names and other words are no false alarm."""
    assert not states_sex(text)


@pytest.mark.req("BEY-06")
@pytest.mark.parametrize(
    "label",
    ["male", "female", "fetal_sex", "gender", "external-genitalia", "penile_length_mm", "性别", "scrotum"],
)
def test_labels_and_lengths_about_the_sex_are_seen(label: str) -> None:
    """A label need not state it: that it is about the sex is enough."""
    assert names_sex(label)


def test_no_label_of_ours_is_withheld() -> None:
    """What the shipped models, the contract and the page's own words say passes."""
    reading, _ = made_reading(brain_shot(3), Verdict(ventricle_mm=8.0))
    json = reading.to_json()
    assert json == SexPolicy().facts(json)
    told = reasons().model_dump()
    assert told == SexPolicy().facts(told)


def test_the_setting_has_these_values() -> None:
    """The settings file and the policy know the same words; withholding is the default."""
    assert set(FETAL_SEX) == {each.value for each in FetalSex}
    assert SexPolicy().setting is FetalSex.WITHHOLD


@pytest.mark.req("BEY-06")
def test_allowed_means_untouched() -> None:
    """A site that may tell it sees everything as it is."""
    allow = SexPolicy(FetalSex.ALLOW)
    assert not allow.withholds("a boy")
    assert {"male": 0.9} == allow.facts({"male": 0.9})
    assert "♂" == allow.text("♂")


PLANTED: Final = {"male": 0.9, "brain": 0.1}


@pytest.mark.req("BEY-06")
def test_a_model_that_names_the_sex_does_not_get_it_out() -> None:
    """Labels, keys and texts of a reading are left out or withheld wherever they stand; so are a model's labels."""
    reading, _ = made_reading(brain_shot(3), Verdict())
    json = {**reading.to_json(), "plane": "male", "plane_probabilities": PLANTED, "finding": "female"}
    json["novelty"] = {"fetal_sex_cls": 0.5}
    stored = image(ImageState.RESULT, json)
    shown = work_item(item(CaptureState.RESULT, stored), Site()).model_dump_json()
    assert not re.search(r"male|sex_", shown)
    assert WITHHELD in shown
    allowed = Site(sex=SexPolicy(FetalSex.ALLOW))
    assert "female" in work_item(item(CaptureState.RESULT, stored), allowed).model_dump_json()
    labels = ("male", "brain")
    info = ModelInfo(name="fetal_sex_cls", version="1", sha256="0" * 64, labels=labels, card={})
    facts = model_facts(info, SexPolicy())
    assert (WITHHELD, [WITHHELD, "brain"]) == (facts.name, facts.labels)


# Every string that the API takes in or gives out, by schema and field. A new one is in none of these tables, and
# the tests below fail until somebody has decided what it can say.
TAKEN_FREELY: Final = {
    "AcknowledgeAsked.note",
    "ReviewAsked.note",
    "SignatureAsked.override",
    "DeletionAsked.reason",
    "NoteAsked.note",
    "TaggingAsked.tag",
}
"""Texts of persons about an examination: refused where they state the sex (tests of reviews, signatures, studies)."""
TAKEN_OF_A_LIST: Final = {
    "CorrectedGiven.plane",
    "CorrectedGiven.finding",
    "SignatureAsked.content",
}
"""Refused unless one of a fixed list or form."""
NOT_OF_AN_EXAMINATION: Final = {
    "CodeGiven.code",
    "FirstAsked.link",
    "FirstAsked.name",
    "PasswordAsked.link",
    "SignInAsked.code",
    "SignInAsked.name",
    "PromotionAsked.version",
    "RollbackAsked.from_version",
    "ShadowAsked.version",
    "DeviceTenantAsked.tenant_id",
    "TenantAsked.name",
    "TenantAsked.tenant_id",
    "TenantChangeAsked.name",
    "TokenAsked.name",
    "TokenAsked.tenant_id",
    "UserAsked.name",
    "UserAsked.tenant_id",
    "UserChangeAsked.tenant_id",
}
"""Names, codes and links of accounts: they speak of persons who sign in, and a sign-in name has no room; versions of
models: digits."""


def schemas_used(document: dict[str, Any], requests: bool) -> set[str]:
    """Names of the schemas that requests, or answers, can hold."""
    found: set[str] = set()

    def follow(node: Any) -> None:
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                follow(document["components"]["schemas"][name])
            for value in node.values():
                follow(value)
        elif isinstance(node, list):
            for value in node:
                follow(value)

    for path in document["paths"].values():
        for operation in path.values():
            follow(operation.get("requestBody") if requests else operation["responses"])
    return found


def string_fields(document: dict[str, Any], names: set[str]) -> Iterator[str]:
    """Schema and field of each plain string: no enum, constant, UUID or date."""
    for name in sorted(names):
        for field, schema in document["components"]["schemas"][name].get("properties", {}).items():
            if any(is_text(each) for each in parts(schema)):
                yield f"{name}.{field}"


def parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema, its alternatives, items and values."""
    yield schema
    for each in schema.get("anyOf", []):
        yield from parts(each)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from parts(schema[key])
    # Keys of a mapping are texts too.
    if isinstance(schema.get("additionalProperties"), dict):
        yield {"type": "string"}


def is_text(schema: dict[str, Any]) -> bool:
    """Whether a schema is a string that can say anything."""
    fixed = {"enum", "const", "format"} & set(schema)
    return schema.get("type") == "string" and not fixed


@pytest.mark.req("BEY-06")
def test_every_text_that_is_taken_in_is_decided_on() -> None:
    """A new text field of a request is guarded, closed, or said here to be none about an examination."""
    document = openapi_document()
    known = TAKEN_FREELY | TAKEN_OF_A_LIST | NOT_OF_AN_EXAMINATION
    assert known == set(string_fields(document, schemas_used(document, requests=True)))


GIVEN_THROUGH_THE_BORDER: Final = {
    "Reading", "SubPlane", "Heat", "ModelUsed", "LoopFrame", "LoopAgreement", "Loop", "LoopMeasurements",
    "Measurements", "GestationalAge", "Growth", "Remark", "SchemeUsed", "Ventricles", "Corrected", "ModelFacts",
    # Reports: their facts pass it when they are gathered; tests/cloud/console/test_console_reports.py proves it.
    "Report", "SheetPair", "SheetLine", "SheetRow", "SheetTable", "SheetTick", "SheetCurve", "SheetChart", "SheetImage",
    "SheetStroke", "SheetCode",
}  # fmt: skip
"""Schemas whose every text passes `SexPolicy.facts` or `label` as a whole; the planted reading above proves it."""
GIVEN_GUARDED: Final = {
    "Review.note": "SexPolicy.text",
    "Signature.override": "SexPolicy.text",
    "WorkImage.image_type": "SexPolicy.label",
    "WorkImage.type_probabilities": "SexPolicy.facts",
    "Examination.findings": "SexPolicy.facts",
    "LeadFacts.finding": "SexPolicy.label",
    "ProtocolItem.key": "Protocol.without_sex",
    "Sentence.en": "Protocol.without_sex, SexPolicy.text; else the program's own words",
    "Sentence.zh": "Protocol.without_sex, SexPolicy.text; else the program's own words",
    "ProtocolState.version": "SexPolicy.text",
    "AlarmFacts.note": "SexPolicy.text",
    "Assessed.growth": "SexPolicy.facts",
    "DeletedFacts.reason": "SexPolicy.text",
    "StudyNote.note": "SexPolicy.text",
    "Study.tags": "SexPolicy.text",
    "Study.planes": "SexPolicy.facts",
    "ResultFacts.plane": "SexPolicy.facts",
    "ResultFacts.finding": "SexPolicy.facts",
    "ModelVersion.name": "SexPolicy.label",
    "FileAccount.path": "SexPolicy.text",
    "SeriesFacts.body_part": "SexPolicy.label",
    "SeriesFacts.modality": "SexPolicy.label",
    "SeriesItem.body_part": "SexPolicy.label",
    "SeriesItem.modality": "SexPolicy.label",
    "SeriesOrder.label": "SexPolicy.label",
    "TagRow.value": "SexPolicy.text",
}
"""Single fields, and what they pass."""
IDS_AND_DIGESTS: Final = {
    "ImageHistory.image_id", "Reanalysis.image_ids", "StudiesDone.done", "StudyList.after", "StudyList.before",
    "StudyNote.note_id",
    "Agent.device_id", "AlarmFacts.alarm_id", "AlarmFacts.subject", "AuditRow.digest", "AuditRow.object_id",
    "AuditRow.origin", "Belonging.examination_id", "Belonging.patient_key", "CodesOffered.qr", "CodesOffered.secret",
    "CodesOffered.uri", "ConsistencyProof.hashes", "DeviceShown.device_id", "DeviceShown.tenant_id",
    "DeviceShown.verifier_key", "SessionFacts.tenant_id", "TenantShown.tenant_id", "TokenFacts.tenant_id",
    "UserFacts.tenant_id",
    "Examination.device_id", "Examination.examination_id", "Examination.patient_key", "ExaminationDetail.content",
    "LeadFacts.capture_id", "LeadFacts.image_id", "LedgerEntry.leaf_hash", "LedgerEntry.signer",
    "LedgerEntry.signer_key", "LedgerFacts.checkpoint",
    "LedgerFacts.origin", "LedgerFacts.root", "LedgerFacts.verifier_key", "ModelShown.live_sha256",
    "ProtocolItem.image_ids", "Review.review_id", "SeriesFacts.patient", "SeriesFacts.series_id",
    "SeriesFacts.study_id", "SeriesItem.patient", "SeriesItem.series_id", "SeriesItem.study_id",
    "SeriesList.next_cursor", "SeriesOrder.device_id",
    "SessionFacts.provider_sign_out", "Signature.content", "Signature.signature_id",
    "System.log_verifier_key", "TokenFacts.token_id", "TokenMade.value", "UploadAccount.upload_id",
    "UserFacts.user_id", "UserLink.link", "Value.subject", "VersionShown.sha256", "WorkImage.image_id",
    "WorkImage.sha256", "WorkItem.capture_id", "WorkItem.device_id", "WorkItem.examination_id", "WorkItem.trace_id",
}  # fmt: skip
NAMES_OF_USERS_AND_MACHINES: Final = {
    "DeletedFacts.by", "StudyLook.actor", "StudyNote.by",
    "AlarmFacts.acknowledged_by", "AuditRow.actor", "ExaminationAge.by", "LedgerEntry.by", "ModelEventShown.actor",
    "NameToSignIn.name", "ProtocolItem.ticked_by", "Review.reviewer", "RuleFacts.changed_by", "SessionFacts.name",
    "SessionFacts.provider", "Signature.signer", "SignedFacts.by", "TenantShown.name",
    "TokenFacts.created_by", "TokenFacts.name",
    "UserFacts.name", "VersionShown.actor", "WhoIsThere.provider",
}  # fmt: skip
OF_MODELS: Final = {
    "CardFigure.name", "CardFigure.note", "CardFigure.unit", "CardShown.data", "CardShown.known_failures",
    "CardShown.labels", "CardShown.notice", "CardShown.split", "CardShown.task", "ModelEventShown.before",
    "ModelEventShown.version", "ModelShown.live", "ModelShown.model", "ModelShown.previous", "ModelShown.shadow",
    "ShadowFigures.live_version", "ShadowFigures.shadow_version", "VersionShown.version",
}  # fmt: skip
"""What an administrator manages: it says what a model can tell, never what a fetus is; readings pass the border."""
OUR_OWN_WORDS: Final = {
    "ModelVersion.version", "ResultFacts.reason", "StudyLook.outcome",
    "AlarmFacts.rule", "Assessed.notice", "AuditRow.outcome", "ExaminationAge.text", "ExaminationList.counts",
    "ExaminationRefusedFacts.detail", "GrowthCurves.formula", "GrowthCurves.name", "GrowthCurves.reference",
    "Health.failing", "LeadFacts.reason", "LedgerEntry.fields", "LedgerEntry.kind", "LedgerEntry.text", "NotSo.detail",
    "Problem.detail",
    "Reasons.abstain", "Reasons.best_frame", "Reasons.edge", "Reasons.no_width", "Reasons.remark", "Reasons.wire",
    "Refused.detail", "RuleFacts.name", "Said.code", "Said.en", "Said.zh", "ScaleRegion.source", "SeriesFacts.unit",
    "SetAside.reason",
    "StepTime.name", "System.counts", "System.notice", "System.version", "TagRow.keyword", "TagRow.tag", "TagRow.vr",
    "ValidationError.loc", "ValidationError.msg", "ValidationError.type", "WayOut.last_reason",
    "WindowPreset.name_en", "WindowPreset.name_zh", "WireReasonText.action", "WireReasonText.code",
    "WireReasonText.hint", "WorkImage.reason", "WorkImage.scale_source", "WorkImage.source_format",
    "WorkImage.timings_ms", "WorkItem.reason",
}  # fmt: skip
"""Codes and sentences of the program, which a test above reads; numbers in words."""


@pytest.mark.req("BEY-06")
def test_every_text_that_is_given_out_is_decided_on() -> None:
    """A new text field of an answer passes the border, or is closed by its nature."""
    document = openapi_document()
    known = GIVEN_GUARDED.keys() | IDS_AND_DIGESTS | NAMES_OF_USERS_AND_MACHINES | OF_MODELS | OUR_OWN_WORDS
    given = {
        field
        for field in string_fields(document, schemas_used(document, requests=False))
        if field.partition(".")[0] not in GIVEN_THROUGH_THE_BORDER
    }
    assert known == given
