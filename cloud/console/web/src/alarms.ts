// Alarms that are not over, as the stream of changes tells them: on every page, without asking.
import { computed, reactive } from 'vue';

import type { AlarmFacts, Severity } from './api/client';

export const alarms = reactive({
  raised: [] as AlarmFacts[],
  /** The alarm that the person is about to acknowledge. */
  asked: undefined as AlarmFacts | undefined,
});

/** Nobody has said that they take care of these. */
export const unheeded = computed(() => alarms.raised.filter((alarm) => alarm.state === 'firing'));

export const worst = computed<Severity | undefined>(() => unheeded.value[0]?.severity);

/** Takes what the stream's `alarm` event carries, as JSON. */
export function onAlarm(data: string): void {
  alarms.raised = (JSON.parse(data) as { alarms: AlarmFacts[] }).alarms;
}

/** Shows a change that this page made before the stream tells it. */
export function replaceAlarm(changed: AlarmFacts): void {
  alarms.raised = alarms.raised.map((alarm) => (alarm.alarm_id === changed.alarm_id ? changed : alarm));
}

export function forgetAlarms(): void {
  Object.assign(alarms, { raised: [], asked: undefined });
}
