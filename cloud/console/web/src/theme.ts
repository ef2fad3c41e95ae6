// Dark for reading, light for bright rooms, or what the computer is set to: the person's choice on this computer.
import { computed, ref, watchEffect } from 'vue';

export const THEMES = ['dark', 'light', 'system'] as const;
export type Theme = (typeof THEMES)[number];
const STORED = 'sonorelay.theme';

const stored = localStorage.getItem(STORED) as Theme | null;
export const theme = ref<Theme>(stored && THEMES.includes(stored) ? stored : 'dark');

const bright = window.matchMedia('(prefers-color-scheme: light)');
const systemIsLight = ref(bright.matches);
bright.addEventListener('change', (event) => (systemIsLight.value = event.matches));

/** What is shown. */
export const shade = computed(() => {
  if (theme.value !== 'system') return theme.value;
  return systemIsLight.value ? 'light' : 'dark';
});

watchEffect(() => {
  localStorage.setItem(STORED, theme.value);
  document.documentElement.classList.toggle('dark', shade.value === 'dark');
  document.documentElement.classList.toggle('light', shade.value === 'light');
});
