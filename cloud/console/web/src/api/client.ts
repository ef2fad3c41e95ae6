// The API's types come from openapi.json: a wrong name or type here is a build error.
import createClient from 'openapi-fetch';

import type { components, paths } from './schema';

type Schemas = components['schemas'];
export type WorkItem = Schemas['WorkItem'];
export type WorkImage = Schemas['WorkImage'];
export type Examination = Schemas['Examination'];
export type ExaminationDetail = Schemas['ExaminationDetail'];
export type Review = Schemas['Review'];
export type ReviewAsked = Schemas['ReviewAsked'];
export type ReviewReason = Schemas['Reason'];
export type ExaminationProblem = Schemas['ExaminationProblem'];
export type ProtocolState = Schemas['ProtocolState'];
export type AgeGiven = Schemas['AgeGiven'];
export type Reading = Schemas['Reading'];
export type Assessed = Schemas['Assessed'];
export type Status = Schemas['Status'];
export type StepTime = Schemas['StepTime'];
export type Reasons = Schemas['Reasons'];
export type Sentence = Schemas['Sentence'];
export type Picture = Schemas['Picture'];
export type Role = Schemas['Role'];
export type Action = Schemas['Action'];
export type Refusal = Schemas['Refusal'];
export type Act = Schemas['Act'];
export type SessionFacts = Schemas['SessionFacts'];
export type CodesOffered = Schemas['CodesOffered'];
export type UserFacts = Schemas['UserFacts'];
export type TokenFacts = Schemas['TokenFacts'];
export type AlarmFacts = Schemas['AlarmFacts'];
export type Metric = Schemas['Metric'];
export type Unit = Schemas['Unit'];
export type SystemNow = Schemas['SystemNow'];
export type SystemHistory = Schemas['SystemHistory'];
export type RuleFacts = Schemas['RuleFacts'];
export type Severity = Schemas['Severity'];
export type Channel = Schemas['Channel'];
export type Span = Schemas['Span'];
export type AuditRow = Schemas['AuditRow'];
export type Report = Schemas['Report'];
export type SheetTable = Schemas['SheetTable'];
export type SheetPair = Schemas['SheetPair'];
export type SheetChart = Schemas['SheetChart'];
export type SheetImage = Schemas['SheetImage'];
export type Tone = Schemas['Tone'];
export type Ellipse = Schemas['Ellipse'];
export type ScaleRegion = Schemas['ScaleRegion'];
export type GrowthCurves = Schemas['GrowthCurves'];
export type Measure = Schemas['Measure'];
export type Said = Schemas['Said'];
export type SeriesItem = Schemas['SeriesItem'];
export type SeriesOrder = Schemas['SeriesOrder'];
export type SeriesFacts = Schemas['SeriesFacts'];
export type SlabMode = Schemas['SlabMode'];
export type TagRow = Schemas['TagRow'];
export type UploadAccount = Schemas['UploadAccount'];
export type LedgerFacts = Schemas['LedgerFacts'];
export type ModelAct = Schemas['ModelAct'];
export type ModelShown = Schemas['ModelShown'];
export type ModelDetail = Schemas['ModelDetail'];
export type VersionShown = Schemas['VersionShown'];
export type CardShown = Schemas['CardShown'];
export type ShadowFigures = Schemas['ShadowFigures'];
export type DeviceShown = Schemas['DeviceShown'];
export type StudyShown = Schemas['Study'];
export type StudyDetail = Schemas['StudyDetail'];
export type StudyLook = Schemas['StudyLook'];
export type ResultFacts = Schemas['ResultFacts'];
export type TenantShown = Schemas['TenantShown'];
export type LedgerEntry = Schemas['LedgerEntry'];

export const api = createClient<paths>({ baseUrl: '/', credentials: 'same-origin' });

/** Once a loop is read its pictures show another frame: its place in the address makes the browser ask anew. */
export const pictureUrl = (image: WorkImage, picture: Picture): string => {
  const frame = image.reading?.loop?.best_frame;
  return `/api/images/${image.image_id}/${picture}.png${frame ? `?frame=${frame}` : ''}`;
};

export const partReceiptUrl = (item: WorkItem, image: WorkImage): string =>
  `/api/captures/${item.capture_id}/receipts/${image.part_index}.txt`;

export const resultReceiptUrl = (item: WorkItem, image: WorkImage): string =>
  `/api/captures/${item.capture_id}/results/${image.image_id}.txt`;
