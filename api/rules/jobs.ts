/** Jobs and CronJobs. @see kubernetes pkg/apis/batch/v1/defaults.go, validation, pkg/registry/batch/job/strategy.go */
import { isTimeZone, parseSchedule } from "../cron.ts";
import { type FieldError, forbidden, invalid, notSupported, required } from "../field_errors.ts";
import type { CronJob, Job, JobSpec, PodTemplateSpec } from "../gen/types.ts";
import { clone } from "../json_value.ts";
import { matchesLabelSelector, validateLabelSelector } from "../labels.ts";
import { cronJobs, jobs } from "../resources.ts";
import type { KubeObject } from "../meta.ts";
import { nonNegative, oneOf, unset } from "./common.ts";
import { immutable } from "./meta.ts";
import { defaultPodTemplate } from "./pod_defaults.ts";
import { validatePodTemplate } from "./pod_spec.ts";
import { schemaRules } from "./schema_rules.ts";
import type { Rules } from "./types.ts";
import { specOf } from "./workloads.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema of that resource's type.
const asJob = (object: KubeObject): Job => object as Job;
const asCronJob = (object: KubeObject): CronJob => object as CronJob;

const maxInt32 = 2_147_483_647;
/** A CronJob appends eleven characters to its name. */
const cronNameMax = 52;

const jobBase = schemaRules(jobs, {
  generationOf: ["spec"],
  setDefaults(object) {
    const job = asJob(object);
    const spec = specOf(job);
    if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
    spec.parallelism ??= 1;
    spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : maxInt32;
    if (unset(spec.completionMode)) spec.completionMode = "NonIndexed";
    spec.suspend ??= false;
    if (unset(spec.podReplacementPolicy)) {
      spec.podReplacementPolicy = spec.podFailurePolicy === undefined ? "TerminatingOrFailed" : "Failed";
    }
    for (const rule of spec.podFailurePolicy?.rules ?? []) {
      for (const pattern of rule.onPodConditions ?? []) if (unset(pattern.status)) pattern.status = "True";
    }
    const labels = spec.template?.metadata?.labels;
    if (labels !== undefined && Object.keys(job.metadata?.labels ?? {}).length === 0) {
      job.metadata = { ...job.metadata, labels: { ...labels } };
    }
    defaultPodTemplate(spec.template);
  },
  check(object) {
    const spec = specOf(asJob(object));
    const errors = validateJobSpec(spec, "spec");
    if (spec.selector === undefined) errors.push(required("spec.selector"));
    else errors.push(...validateLabelSelector(spec.selector, "spec.selector"));
    const sound = spec.selector !== undefined && validateLabelSelector(spec.selector, "").length === 0;
    if (sound && !matchesLabelSelector(spec.selector, spec.template?.metadata?.labels)) {
      const labels = spec.template?.metadata?.labels ?? {};
      errors.push(invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"));
    }
    return errors;
  },
  checkUpdate(next, old) {
    const now = specOf(asJob(next));
    const before = specOf({ ...asJob(old) });
    const errors = [
      "selector",
      "completionMode",
      "podFailurePolicy",
      "backoffLimitPerIndex",
      "managedBy",
      "successPolicy",
    ]
      .flatMap((name) =>
        immutable((now as Record<string, unknown>)[name], (before as Record<string, unknown>)[name], `spec.${name}`)
      );
    errors.push(...immutable(fixedTemplate(now, asJob(old)), fixedTemplate(before, asJob(old)), "spec.template"));
    // Indexed jobs grow and shrink by both numbers together.
    const elastic = now.completionMode === "Indexed" && now.completions === now.parallelism;
    if (!elastic) errors.push(...immutable(now.completions, before.completions, "spec.completions"));
    return errors;
  },
});

/** Pods are found by the Job's own uid, unless the author asks for a selector of his own. */
export const jobRules: Rules = {
  ...jobBase,
  prepareForCreate(object, context) {
    jobBase.prepareForCreate(object, context);
    const job = asJob(object);
    const { template, manualSelector, ...spec } = specOf(job);
    if (manualSelector === true || template === undefined) return;
    const uid = job.metadata?.uid ?? "";
    const name = job.metadata?.name ?? "";
    const own = {
      "controller-uid": uid,
      "batch.kubernetes.io/controller-uid": uid,
      "job-name": name,
      "batch.kubernetes.io/job-name": name,
    };
    const labels = { ...template.metadata?.labels, ...own };
    job.spec = {
      ...spec,
      ...(manualSelector === undefined ? {} : { manualSelector }),
      selector: {
        ...spec.selector,
        matchLabels: { ...spec.selector?.matchLabels, "batch.kubernetes.io/controller-uid": uid },
      },
      template: { ...template, metadata: { ...template.metadata, labels } },
    };
  },
};

/** A Job that has never run may still be told where to run. */
function fixedTemplate(spec: Partial<JobSpec>, old: Job): PodTemplateSpec | undefined {
  const template = spec.template;
  if (template === undefined || old.spec?.suspend !== true || old.status?.startTime !== undefined) return template;
  const copy = clone(template);
  delete copy.metadata?.labels;
  delete copy.metadata?.annotations;
  delete copy.spec?.affinity;
  delete copy.spec?.nodeSelector;
  delete copy.spec?.tolerations;
  delete copy.spec?.schedulingGates;
  return copy;
}

function validateJobSpec(spec: Partial<JobSpec>, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const counts = [
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
  ] as const;
  for (const name of counts) errors.push(...nonNegative(spec[name], `${path}.${name}`));
  if (spec.completionMode !== undefined) {
    errors.push(...oneOf(spec.completionMode, `${path}.completionMode`, ["Indexed", "NonIndexed"]));
    if (spec.completionMode === "Indexed" && spec.completions === undefined) {
      errors.push(required(`${path}.completions`, "when completion mode is Indexed"));
    }
  }
  if (spec.template === undefined) return [...errors, required(`${path}.template`)];
  errors.push(...validatePodTemplate(spec.template, `${path}.template`));
  const policy = spec.template.spec?.restartPolicy ?? "";
  const at = `${path}.template.spec.restartPolicy`;
  if (policy === "" || policy === "Always") errors.push(required(at, 'valid values: "OnFailure", "Never"'));
  else if (policy !== "OnFailure" && policy !== "Never") errors.push(notSupported(at, policy, ["OnFailure", "Never"]));
  return errors;
}

export const cronJobRules: Rules = schemaRules(cronJobs, {
  generationOf: ["spec"],
  setDefaults(object) {
    const spec = specOf(asCronJob(object));
    if (unset(spec.concurrencyPolicy)) spec.concurrencyPolicy = "Allow";
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    defaultPodTemplate(spec.jobTemplate?.spec?.template);
  },
  check(object) {
    const cron = asCronJob(object);
    const spec = specOf(cron);
    const errors: FieldError[] = [];
    const name = cron.metadata?.name ?? "";
    if (name.length > cronNameMax) {
      errors.push(invalid("metadata.name", name, `must be no more than ${cronNameMax} characters`));
    }
    if (!unset(spec.schedule)) errors.push(...validateSchedule(spec.schedule));
    errors.push(...validateTimeZone(spec.timeZone));
    errors.push(...nonNegative(spec.startingDeadlineSeconds, "spec.startingDeadlineSeconds"));
    errors.push(...oneOf(spec.concurrencyPolicy, "spec.concurrencyPolicy", ["Allow", "Forbid", "Replace"]));
    errors.push(...nonNegative(spec.successfulJobsHistoryLimit, "spec.successfulJobsHistoryLimit"));
    errors.push(...nonNegative(spec.failedJobsHistoryLimit, "spec.failedJobsHistoryLimit"));
    const job = spec.jobTemplate?.spec;
    errors.push(...validateJobSpec(job ?? {}, "spec.jobTemplate.spec"));
    if (job?.manualSelector === true) {
      errors.push(forbidden("spec.jobTemplate.spec.manualSelector", "must not be set to true"));
    }
    return errors;
  },
});

function validateSchedule(schedule: string): FieldError[] {
  if (schedule.includes("TZ")) {
    return [invalid("spec.schedule", schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")];
  }
  const parsed = parseSchedule(schedule);
  return parsed.ok ? [] : [invalid("spec.schedule", schedule, parsed.message)];
}

function validateTimeZone(timeZone: string | undefined): FieldError[] {
  if (timeZone === undefined) return [];
  const problem = (text: string) => [invalid("spec.timeZone", timeZone, text)];
  if (timeZone === "") return problem("timeZone must be nil or non-empty string");
  if (timeZone.toLowerCase() === "local") {
    return problem("timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
  }
  return isTimeZone(timeZone) ? [] : problem(`unknown time zone ${timeZone}`);
}
