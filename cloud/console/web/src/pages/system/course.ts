// How the server stands, asked every two seconds; the course is fetched once and then goes on with what was asked.
import { computed, onScopeDispose, ref, shallowRef, watch, type ComputedRef, type Ref, type ShallowRef } from 'vue';

import { alarms } from '../../alarms';
import { api, type Metric, type RuleFacts, type Span, type SystemHistory, type SystemNow } from '../../api/client';
import { attempt, session } from '../../session';

const EVERY_MS = 2000;
const DAY_EVERY_MS = 60_000;
const RECENT_POINTS = 450;

export type Level = 'ok' | 'watched' | 'pending' | 'warning' | 'critical';
export type Standing = {
  now: ShallowRef<SystemNow | undefined>;
  failed: Ref<boolean>;
  span: Ref<Span>;
  history: ShallowRef<SystemHistory | undefined>;
  rules: ShallowRef<RuleFacts[]>;
  valueOf: (metric: Metric, subject?: string) => number | undefined;
  levelOf: (metric: Metric, subject?: string) => Level;
  limitOf: (metric: Metric) => number | undefined;
  loadRules: () => Promise<void>;
};

/** The course with one more look at its end. */
function grown(history: SystemHistory, now: SystemNow): SystemHistory {
  if (history.times.at(-1) === now.time) return history;
  const found = new Map(now.values.map((value) => [value.metric, value.value]));
  return {
    times: [...history.times, now.time].slice(-RECENT_POINTS),
    courses: history.courses.map((course) => ({
      ...course,
      values: [...course.values, found.get(course.metric) ?? null].slice(-RECENT_POINTS),
    })),
  };
}

export function useSystem(charted: Metric[]): Standing {
  const now = shallowRef<SystemNow>();
  const failed = ref(false);
  const span = ref<Span>('recent');
  const history = shallowRef<SystemHistory>();
  const rules = shallowRef<RuleFacts[]>([]);
  let fetchedMs = 0;

  async function loadHistory(): Promise<void> {
    const asked = span.value;
    const query = { span: asked, metric: charted };
    const outcome = await attempt(api.GET('/api/system/history', { params: { query } }));
    if (!outcome.ok || asked !== span.value) return;
    history.value = outcome.data;
    fetchedMs = Date.now();
  }

  async function loadRules(): Promise<void> {
    const outcome = await attempt(api.GET('/api/system/rules'));
    if (outcome.ok) rules.value = outcome.data.rules;
  }

  async function look(): Promise<void> {
    // Under the lock the server answers nothing.
    if (session.phase !== 'in' || document.hidden) return;
    const outcome = await attempt(api.GET('/api/system/now'));
    failed.value = !outcome.ok;
    if (!outcome.ok) return;
    now.value = outcome.data;
    const missed = Date.now() - fetchedMs > (span.value === 'day' ? DAY_EVERY_MS : RECENT_POINTS * EVERY_MS);
    if (!history.value || missed) await loadHistory();
    else if (span.value === 'recent') history.value = grown(history.value, outcome.data);
    if (!rules.value.length) await loadRules();
  }

  const values: ComputedRef<Map<string, number>> = computed(
    () => new Map(now.value?.values.map((value) => [`${value.metric} ${value.subject}`, value.value])),
  );
  const valueOf = (metric: Metric, subject = ''): number | undefined => values.value.get(`${metric} ${subject}`);

  function levelOf(metric: Metric, subject = ''): Level {
    const raised = alarms.raised.filter((alarm) => alarm.metric === metric && alarm.subject === subject);
    if (raised.length) return raised.some((alarm) => alarm.severity === 'critical') ? 'critical' : 'warning';
    const value = valueOf(metric, subject);
    const own = rules.value.filter((rule) => rule.metric === metric && rule.enabled);
    if (value === undefined || !own.length) return 'watched';
    const beyond = own.some((rule) => (rule.comparison === 'above' ? value > rule.threshold : value < rule.threshold));
    return beyond ? 'pending' : 'ok';
  }

  const limitOf = (metric: Metric): number | undefined =>
    rules.value.find((rule) => rule.metric === metric && rule.enabled)?.threshold;

  watch(span, () => {
    history.value = undefined;
    void loadHistory();
  });
  // A page that was hidden has a gap: the course is fetched anew.
  const shown = (): void => {
    if (document.hidden) return;
    fetchedMs = 0;
    void look();
  };
  document.addEventListener('visibilitychange', shown);
  const timer = window.setInterval(() => void look(), EVERY_MS);
  onScopeDispose(() => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', shown);
  });
  void look();
  return { now, failed, span, history, rules, valueOf, levelOf, limitOf, loadRules };
}
