// Whether an agreement leads to the next image by itself: the person's choice on this computer.
import { ref, watch } from 'vue';

const STORED = 'sonorelay.goOn';

export const goOn = ref(localStorage.getItem(STORED) === 'yes');
watch(goOn, (on) => localStorage.setItem(STORED, on ? 'yes' : 'no'));
