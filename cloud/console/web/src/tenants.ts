// The tenants that this person sees, for the pages of the administration. With one tenant they show nothing of it.
import { computed, ref } from 'vue';
import { useI18n } from 'vue-i18n';

import { api, type TenantShown } from './api/client';
import { attempt, may } from './session';

export function useTenants() {
  const { t } = useI18n();
  const tenants = ref<TenantShown[]>([]);
  /** Whether there is something to choose: only the site's own administrators see several. */
  const several = computed(() => tenants.value.length > 1 && may('manage_tenants'));
  const nameOf = (id: string | null): string =>
    id === null ? t('tenants.site') : (tenants.value.find((each) => each.tenant_id === id)?.name ?? id);

  async function loadTenants(): Promise<void> {
    const found = await attempt(api.GET('/api/tenants'));
    if (found.ok) tenants.value = found.data.tenants;
  }

  return { tenants, several, nameOf, loadTenants };
}
