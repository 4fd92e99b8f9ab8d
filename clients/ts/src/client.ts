import { ArgusError, ScriptRefusal } from "./errors.js";
import { Http, type Ask, type Options } from "./http.js";
import { parse, stringify } from "./json.js";
import type { NewJob } from "./jobs.js";
import { listen } from "./live.js";
import type * as t from "./types.js";

/**
 * Where the platform is, and who asks. Each call waits for a bounded time. What is safe to send again is sent again
 * when no answer came, or one that says "later": everything that only reads, and what carries an Idempotency-Key.
 */
export class Client {
  readonly #http: Http;
  readonly #webSocket: typeof WebSocket | undefined;

  constructor(url: string, options: Options = {}) {
    this.#http = new Http(url, options);
    this.#webSocket = options.webSocket ?? globalThis.WebSocket;
  }

  /** Any route under `/api`, by its path with its query, for those without a function here. */
  call(method: string, path: string, body?: unknown): Promise<unknown> {
    return this.#json({ method, path, body });
  }

  /** Creates jobs, all or none; several are linked in their order. Safe to call again with the same jobs. */
  async createJobs(jobs: NewJob[]): Promise<t.Created> {
    return accepted(await this.#json<t.Created>({ method: "POST", path: ["jobs"], body: jobs, once: true }));
  }

  /** What creation would say of a job; nothing is stored. Its faults are the answer. */
  dryRun(job: NewJob): Promise<t.DryRun> {
    return this.#json({ method: "POST", path: ["jobs", "dry-run"], body: job });
  }

  /** What one run of a job would cost; one that cannot work is refused. No key is needed. */
  fees(job: NewJob): Promise<t.Fees> {
    const asked = FEE_FIELDS.map(([name, field]) => [name, job[field]] as const);
    const text = (value: unknown) => (typeof value === "string" ? value : stringify(value));
    const query = asked.filter(([, value]) => value !== undefined).map(([name, value]) => [name, text(value)]);
    return this.#get(["fees"], Object.fromEntries(query));
  }

  /** One job. */
  job(owner: string, id: string): Promise<t.Job> {
    return this.#get(["jobs", "user", owner, id]);
  }

  /** Jobs of the key's owner, newest first, in pages of as many. */
  jobs(page?: number): AsyncGenerator<t.Job> {
    return this.#listed(["jobs", "by-apikey"], "jobs", page, flat);
  }

  /** Jobs of an address. */
  jobsOf(owner: string, page?: number): AsyncGenerator<t.Job> {
    return this.#listed(["jobs", "user", owner], "jobs", page, flat);
  }

  /** Changes fields of a job, by the names under which it is created. */
  async updateJob(id: string, fields: Record<string, unknown>): Promise<{ job_id: string; version: number }> {
    return accepted(await this.#json({ method: "PUT", path: ["jobs", "update", id], body: fields }));
  }

  /** Opens no further task of a job until it is resumed. */
  pauseJob(id: string): Promise<{ job_id: string; status: t.JobStatus }> {
    return this.#json({ method: "PUT", path: ["jobs", id, "status", "paused"] });
  }

  /** Goes on with a job. What was due meanwhile is not made up for. */
  resumeJob(id: string): Promise<{ job_id: string; status: t.JobStatus }> {
    return this.#json({ method: "PUT", path: ["jobs", id, "status", "running"] });
  }

  /** Deletes a job for good. */
  deleteJob(id: string): Promise<{ job_id: string; status: t.JobStatus; tasks_that_may_still_land: number[] }> {
    return this.#json({ method: "PUT", path: ["jobs", "delete", id] });
  }

  /** Why a job fired, or did not. */
  decisions(job: string, limit?: number): Promise<t.Decisions> {
    return this.#get(["jobs", job, "decisions"], { limit });
  }

  /** One task. */
  task(id: number): Promise<t.Task> {
    return this.#get(["tasks", id]);
  }

  /** Tasks of a job, newest first, in pages of as many. */
  tasksOfJob(job: string, page?: number): AsyncGenerator<t.Task> {
    return this.#listed(["tasks", "job", job], undefined, page);
  }

  /** Newest tasks of all jobs that the key may see. */
  recentTasks(page?: number): AsyncGenerator<t.Task> {
    return this.#listed(["tasks", "recent"], "tasks", page);
  }

  /** What each task of a job cost, newest first. */
  taskFees(job: string, page?: number): AsyncGenerator<t.TaskFee> {
    return this.#listed(["jobs", job, "task-fees"], "task_fees", page);
  }

  /** All that was signed about a task, in one file that `argus replay` checks without a network; `max` bytes at most. */
  async bundle(task: number, max?: number): Promise<Uint8Array> {
    const limit = max === undefined ? {} : { max };
    return (await this.#http.send({ method: "GET", path: ["tasks", task, "bundle"], ...limit })).bytes;
  }

  /** Publishes a script; one that does not compile is refused. Safe to call again. */
  publish(script: t.Script): Promise<t.Module> {
    return this.#json({ method: "POST", path: ["modules"], body: script, once: true });
  }

  /** What is known of a published script. */
  module(cid: string): Promise<t.Module> {
    return this.#get(["modules", cid]);
  }

  /** Runs a published script once. One that fails is the answer. */
  runModule(cid: string): Promise<t.Run> {
    return this.#json({ method: "POST", path: ["modules", cid, "run"] });
  }

  /** The secrets that a job is granted. */
  async secrets(job: string): Promise<t.Secret[]> {
    return (await this.#get<{ secrets: t.Secret[] }>(["jobs", job, "secrets"])).secrets;
  }

  /** Gives a secret its value, in place of the one that it had. The job has to name it among its secrets. */
  async setSecret(job: string, name: string, value: string): Promise<void> {
    await this.#http.send({ method: "PUT", path: ["jobs", job, "secrets", name], body: { value } });
  }

  /** Takes a secret's value away; safe to call again. */
  async unsetSecret(job: string, name: string): Promise<void> {
    await this.#http.send({ method: "DELETE", path: ["jobs", job, "secrets", name] });
  }

  /** A user. */
  user(address: string): Promise<t.User> {
    return this.#get(["users", address]);
  }

  /** Notes where mail reaches a user; empty: nowhere. */
  async setEmail(user: string, email: string): Promise<void> {
    await this.#http.send({ method: "POST", path: ["users", "email"], body: { user_address: user, email_id: email } });
  }

  /** Safes that a user's jobs act through. */
  async safesOf(user: string): Promise<string[]> {
    return (await this.#get<{ safe_addresses: string[] }>(["users", "safe-addresses", user])).safe_addresses;
  }

  /** Users by rank. */
  rankedUsers(): Promise<t.RankedUser[]> {
    return this.#get(["leaderboard", "users"]);
  }

  /** Keepers by rank. */
  rankedKeepers(): Promise<t.RankedKeeper[]> {
    return this.#get(["leaderboard", "keepers"]);
  }

  /** Registered keepers. */
  keepers(): Promise<t.Performer[]> {
    return this.#get(["keepers", "performers"]);
  }

  /** A keeper, by its number or address. */
  keeper(id: number | string): Promise<t.Keeper> {
    return this.#get(["keepers", id]);
  }

  /** Makes a key, which this answer alone shows. Not sent twice: each one that is sent makes a key. */
  createKey(owner: string, role: t.ApiKey["role"], rateLimit?: number): Promise<t.ApiKey> {
    return this.#json({ method: "POST", path: ["admin", "api-keys"], body: { owner, role, rate_limit: rateLimit } });
  }

  /** Keys of an owner, masked. */
  keysOf(owner: string): Promise<t.ApiKey[]> {
    return this.#get(["admin", "api-keys", owner]);
  }

  /** Revokes a key for good. */
  async revokeKey(id: string): Promise<void> {
    await this.#http.send({ method: "DELETE", path: ["admin", "api-keys", id] });
  }

  /** Has changes of an owner's tasks sent to an https URL. Not sent twice: each one that is sent makes a webhook. */
  createWebhook(owner: string, url: string, events: string[]): Promise<t.Webhook> {
    return this.#json({ method: "POST", path: ["webhooks"], body: { user_address: owner, url, events } });
  }

  /** Webhooks of an owner. */
  async webhooksOf(owner: string): Promise<t.Webhook[]> {
    return (await this.#get<{ webhooks: t.Webhook[] }>(["webhooks", "user", owner])).webhooks;
  }

  /** Sends nothing more to a webhook. */
  async deleteWebhook(id: string): Promise<void> {
    await this.#http.send({ method: "DELETE", path: ["webhooks", id] });
  }

  /**
   * Tasks as they change, from now on or from where `position` of an earlier event ended. It connects again wherever
   * the connection breaks, and goes on without a gap. Leaving the loop ends it.
   */
  live(room: t.Room, since?: number): AsyncGenerator<t.Event> {
    if (!this.#webSocket) {
      throw new ArgusError(
        "this runtime has no WebSocket: use Node.js 22, node --experimental-websocket, or the option webSocket",
      );
    }
    return listen(this.#webSocket, this.#http, room, since);
  }

  async #json<T>(ask: Ask): Promise<T> {
    const text = new TextDecoder().decode((await this.#http.send(ask)).bytes);
    if (text === "") return null as T;
    try {
      return parse(text) as T;
    } catch (cause) {
      throw new ArgusError("the answer is no JSON", { cause });
    }
  }

  #get<T>(path: readonly (string | number)[], query: Ask["query"] = {}): Promise<T> {
    return this.#json({ method: "GET", path, query });
  }

  async *#listed<T>(
    path: readonly string[],
    field: string | undefined,
    limit: number | undefined,
    read: (element: unknown) => T = (element) => element as T,
  ): AsyncGenerator<T> {
    for (let before: string | undefined; ; ) {
      const { headers, bytes } = await this.#http.send({ method: "GET", path, query: { limit, before } });
      const body = parse(new TextDecoder().decode(bytes)) as Record<string, unknown[]> & unknown[];
      const elements: unknown[] = (field === undefined ? body : body[field]) ?? [];
      for (const element of elements) yield read(element);
      const next = nextPage(headers.get("link"));
      // A page that leads to itself, or nowhere, is the last one.
      if (next === undefined || next === before || elements.length === 0) return;
      before = next;
    }
  }
}

/** What a fee is asked for with, and which field of a job says it. */
const FEE_FIELDS = [
  ["task_definition_id", "task_definition_id"],
  ["target_chain_id", "target_chain_id"],
  ["target_contract_address", "target_contract_address"],
  ["target_function", "target_function"],
  ["abi", "abi"],
  ["args", "arguments"],
  ["job_owner_address", "user_address"],
  ["ipfs_url", "dynamic_arguments_script_url"],
  ["language", "language"],
  ["keepers", "keepers"],
  ["threshold", "threshold"],
  ["gas_limit", "gas_limit"],
  ["fee_cap", "fee_cap"],
] as const;

/** The `before` of the link to the next page (RFC 8288); the rest of the address is known. */
function nextPage(link: string | null): string | undefined {
  const target = /^<([^>]*)>.*rel="next"/.exec(link ?? "")?.[1];
  return target === undefined ? undefined : (new URL(target, "http://next").searchParams.get("before") ?? undefined);
}

/** A job of a list, `job_data` with the object of its kind beside it, as one flat object. */
function flat(entry: unknown): t.Job {
  const { job_data, ...kinds } = entry as Record<string, object>;
  return Object.assign({}, ...Object.values(kinds), job_data) as t.Job;
}

/** A refused script is told with 200, because older clients expect it so. */
function accepted<T>(reply: T): T {
  const refused = reply as { status?: unknown; message?: unknown; validation_log?: unknown };
  if (refused.status !== "validation_failed") return reply;
  throw new ScriptRefusal(String(refused.message), String(refused.validation_log ?? ""));
}
