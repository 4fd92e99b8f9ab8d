// Jobs as they are created.
import type { Argument } from "./types.js";

/** When a job runs, and what it calls: fields of the body, with the part of its kind that follows from them. */
export interface Trigger {
  kind: 1 | 3 | 5;
  fields: Record<string, unknown>;
}
export interface Action {
  script: "none" | "computes" | "decides";
  fields: Record<string, unknown>;
}
/** What `newJob` makes: the body of a creation, by the names that the API has for its fields. */
export interface NewJob {
  readonly job_id: string;
  readonly user_address: string;
  readonly job_title: string;
  readonly task_definition_id: number;
  readonly time_frame: number;
  readonly created_chain_id: string;
  readonly target_chain_id: string;
  readonly [field: string]: unknown;
}

/** Every so many whole seconds from its creation on. */
export const every = (seconds: number): Trigger => ({
  kind: 1,
  fields: { schedule_type: "interval", time_interval: seconds },
});

/** At the instants of a cron expression in a zone of the IANA database. */
export const cron = (expression: string, zone = "UTC"): Trigger => ({
  kind: 1,
  fields: { schedule_type: "cron", cron_expression: expression, timezone: zone },
});

/** Once, at an instant (RFC 3339). */
export const at = (instant: string): Trigger => ({
  kind: 1,
  fields: { schedule_type: "specific", specific_schedule: instant },
});

/** At each event of a contract, by its full signature. */
export const onEvent = (chain: number, contract: string, signature: string): Trigger => ({
  kind: 3,
  fields: { trigger_chain_id: String(chain), trigger_contract_address: contract, trigger_event: signature },
});

/** When a value at a URL comes to fulfil a comparison. The limit is decimal text, compared with all its digits. */
export const onValue = (
  url: string,
  route: string,
  comparison: "greater_than" | "less_than" | "equals" | "not_equals" | "greater_equal" | "less_equal",
  limit: string,
): Trigger => ({
  kind: 5,
  fields: {
    value_source_type: "api",
    value_source_url: url,
    selected_key_route: route,
    condition_type: comparison,
    upper_limit: limit,
  },
});

/** A function by its signature, with these arguments. */
export const call = (contract: string, signature: string, args: Argument[]): Action => ({
  script: "none",
  fields: { target_contract_address: contract, target_function: signature, abi: "[]", arg_type: 1, arguments: args },
});

/** A function with the arguments that a script prints, by its `ipfs://` address. */
export const computed = (contract: string, signature: string, script: string): Action => ({
  script: "computes",
  fields: {
    target_contract_address: contract,
    target_function: signature,
    abi: "[]",
    arg_type: 2,
    arguments: [],
    dynamic_arguments_script_url: script,
  },
});

/** What a script decides: whether, whom and with what. For `every`. */
export const decided = (script: string): Action => ({
  script: "decides",
  fields: { arg_type: 2, arguments: [], dynamic_arguments_script_url: script },
});

/**
 * A job whose calls go to a chain. Its id is a decimal number of up to 256 bits that no job has yet; a registry on
 * chain gives one. `more` are fields by the names that the API has for them.
 */
export function newJob(
  job: { id: string | bigint; owner: string; title: string; chain: number; seconds?: number; trigger: Trigger; action: Action },
  more: Record<string, unknown> = {},
): NewJob {
  const { trigger, action } = job;
  return {
    job_id: String(job.id),
    user_address: job.owner,
    job_title: job.title,
    task_definition_id: action.script === "decides" ? 7 : trigger.kind + (action.script === "computes" ? 1 : 0),
    time_frame: job.seconds ?? 3600,
    timezone: "UTC",
    created_chain_id: String(job.chain),
    target_chain_id: String(job.chain),
    ...trigger.fields,
    ...action.fields,
    ...more,
  };
}
