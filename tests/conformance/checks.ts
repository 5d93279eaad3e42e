import { apiChecks } from "./checks/api_operations.ts";
import { chunkChecks } from "./checks/chunks.ts";
import { controlledChecks, eventChecks } from "./checks/controlled.ts";
import { customResourceChecks } from "./checks/custom_resources.ts";
import { garbageChecks } from "./checks/garbage.ts";
import { kubectlChecks } from "./checks/kubectl.ts";
import { namespaceChecks } from "./checks/namespaces.ts";
import { policyChecks } from "./checks/policies.ts";
import { quotaChecks } from "./checks/quotas.ts";
import { timedWebhookChecks, webhookChecks } from "./checks/webhooks.ts";
import type { Check } from "./helpers.ts";

/** By the names that `behaviours.ts` refers to. */
export const checks: Readonly<Record<string, Check>> = {
  ...apiChecks,
  ...chunkChecks,
  ...controlledChecks,
  ...customResourceChecks,
  ...eventChecks,
  ...garbageChecks,
  ...kubectlChecks,
  ...namespaceChecks,
  ...policyChecks,
  ...quotaChecks,
  ...timedWebhookChecks,
  ...webhookChecks,
};
