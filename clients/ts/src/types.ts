// What the API says. Amounts (`..._wei`) and job ids are decimal text of up to 256 bits: BigInt(text) computes with
// them. Answers have more fields than are named here; new ones may come, none goes.

/** A value of an argument list. An integer that a number cannot hold is a bigint or text. */
export type Argument = string | number | bigint | boolean | Argument[] | { [name: string]: Argument };

export interface Created {
  job_ids: string[];
  task_definition_ids: number[];
  time_frames: number[];
  /** Wei; text where a number cannot hold it. */
  account_balance: number | string;
  warnings?: string[];
}

export type JobStatus = "pending" | "running" | "paused" | "completed" | "expired" | "deleted";

export interface Job {
  job_id: string;
  job_title: string;
  user_address: string;
  status: JobStatus;
  /** Its kind, 1 to 7. */
  task_definition_id: number;
  job_cost_actual_wei: string;
  created_at: string;
  /** Trigger, target, arguments, limits. */
  [field: string]: unknown;
}

export interface DryRun {
  ok: boolean;
  faults: import("./errors.js").Fault[];
  /** The first instants at which it would run. */
  next_runs: string[];
  arguments: unknown[] | null;
  target: string | null;
  calldata: string | null;
  /** null: not known. */
  would_revert: boolean | null;
  gas: number | null;
  cost_wei: string | null;
  [field: string]: unknown;
}

export interface Fees {
  /** With the margin that a deposit should have. */
  total_fee_wei: string;
  /** At what gas costs now. */
  current_total_fee_wei: string;
  /** What the executor contract takes at most. */
  fee_cap_wei: string;
  breakdown: Record<string, unknown>;
  [field: string]: unknown;
}

export interface Decisions {
  now: { status: JobStatus; says: string; [field: string]: unknown };
  /** Newest first. */
  decisions: { task_number: number; outcome: string; says: string; count: number; [field: string]: unknown }[];
}

export interface Task {
  task_id: number;
  task_number: number;
  task_hash: string;
  job_id: string;
  task_status: "processing" | "completed" | "failed";
  scheduled_at: string;
  /** Empty while there is none. */
  execution_tx_hash: string;
  /** The arguments that were sent, integers as decimal text. */
  converted_arguments: unknown[];
  error: string | null;
  task_opx_cost_wei: string;
  /** Whether the transaction is as deep in the chain as the operator asks for. */
  confirmed: boolean;
  [field: string]: unknown;
}

export interface TaskFee {
  task_id: number;
  task_opx_cost_wei: string;
  [field: string]: unknown;
}

/** A script's source: text in a language, or a WebAssembly module as base64. */
export type Script = { source: string; language: "ts" | "js" | "go" } | { wasm_base64: string };

export interface Module {
  cid: string;
  language: string;
  [field: string]: unknown;
}

export interface Run {
  ok: boolean;
  arguments: unknown[] | null;
  error: string | null;
  log: string;
  fuel: number;
  [field: string]: unknown;
}

export interface ApiKey {
  /** Its name in routes. */
  id: string;
  /** The key itself where it was just made, else its first and last characters. */
  key: string;
  owner: string;
  role: "user" | "app" | "keeper" | "admin";
  rate_limit: number;
  is_active: boolean;
  [field: string]: unknown;
}

export interface Webhook {
  id: string;
  user_address: string;
  url: string;
  events: string[];
  /** The newest try that failed, also where a later one did not. */
  last_failure: { at: string; reason: string } | null;
  /** What changes are signed with; shown by the creation alone. */
  secret?: string;
  [field: string]: unknown;
}

export interface User {
  user_address: string;
  /** Empty: nobody said. */
  email_id: string;
  /** Newest first. */
  job_ids: string[];
  /** Wei that they have deposited on all chains. */
  ether_balance: string;
  /** A coin that was paid is one. */
  user_points: number;
  total_jobs: number;
  total_tasks: number;
  [field: string]: unknown;
}

export interface RankedUser {
  user_address: string;
  total_jobs: number;
  total_tasks: number;
  user_points: number;
  [field: string]: unknown;
}

/** A registered keeper. */
export interface Performer {
  /** Its number, by which routes know it, too. */
  keeper_id: number;
  keeper_address: string;
  keeper_name: string;
  [field: string]: unknown;
}

export interface RankedKeeper extends Performer {
  no_executed_tasks: number;
  /** Tasks whose call it signed and another made. */
  no_attested_tasks: number;
  keeper_points: number;
}

export interface Keeper extends RankedKeeper {
  /** Whether the registry has it. */
  registered: boolean;
}

/** A secret that a job is granted. No answer shows a value. */
export interface Secret {
  name: string;
  /** Since when it has a value; null: it has none. */
  set_at: string | null;
  [field: string]: unknown;
}

/** Whose changes are told: a job's tasks, one task, all tasks of an owner. */
export type Room = `job:${string}` | `task:${number}` | `user:${string}`;

export type Event =
  /** All tasks that a job has, newest first, when its room was joined; changes follow. */
  | { kind: "snapshot"; tasks: Task[]; position: number }
  /** One change: the task as it is now, and the change's place among those of its job. `position` resumes behind it. */
  | { kind: "change"; type: string; task: Task; seq: number; position: number };
