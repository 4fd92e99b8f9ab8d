// What users of the npm package sdk-triggerx do, with the package as it is, against a platform that runs:
//
//     node scenarios.cjs READY.json SOURCE_URL
//
// READY.json is what `argus dev --json` said; SOURCE_URL answers {"price": 5} and may be reached by the platform.
// Every scenario has an account of its own, and ends with what the chain shows.
const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { ethers } = require("ethers");
const sdk = require("sdk-triggerx");

const [, , readyFile, source] = process.argv;
const ready = JSON.parse(readFileSync(readyFile, "utf8"));
const chain = String(ready.chain_id);
const { contracts } = ready;
sdk.CONTRACT_ADDRESSES_BY_CHAIN[chain] = {
  gasRegistry: contracts.gas_registry,
  jobRegistry: contracts.job_registry,
  safeFactory: contracts.safe_factory,
  safeModule: contracts.safe_module,
  multisendCallOnly: contracts.multisend_call_only,
  rpcUrl: ready.rpc,
};
const client = new sdk.TriggerXClient(ready.keys.app, { baseURL: ready.api });

// The package talks a lot; what a scenario has to say it says at its end.
const say = console.log;
for (const level of ["log", "warn", "error"]) console[level] = () => {};

const usual = new ethers.JsonRpcProvider(ready.rpc);
// With everything else as it comes, too: the nonces that it keeps are what blocks have to be slow enough for.
const quick = new ethers.JsonRpcProvider(ready.rpc, undefined, { pollingInterval: 100 });
const account = (n, provider = quick) => new ethers.Wallet(ready.accounts[n].private_key, provider);
const target = new ethers.Contract(
  contracts.demo_target,
  ["function countOf(string) view returns (uint256)", "function valueOf(string) view returns (uint256)", "function ping(uint256)"],
  quick,
);
const RECORD = JSON.stringify([
  {
    type: "function",
    name: "record",
    stateMutability: "nonpayable",
    inputs: [
      { name: "key", type: "string" },
      { name: "value", type: "uint256" },
    ],
    outputs: [],
  },
]);
const recording = (key, value) => new ethers.Interface(JSON.parse(RECORD)).encodeFunctionData("record", [key, value]);

const job = (fields) => ({
  jobTitle: "an sdk job",
  timeFrame: 60,
  timezone: "UTC",
  chainId: chain,
  targetContractAddress: contracts.demo_target,
  targetFunction: "record(string,uint256)",
  abi: RECORD,
  autotopupETH: true,
  recurring: true,
  argType: fields.dynamicArgumentsScriptUrl ? "dynamic" : "static",
  ...fields,
});
const interval = (fields) => job({ jobType: "time", scheduleType: "interval", timeInterval: 2, ...fields });
const onPing = (fields) =>
  job({
    jobType: "event",
    triggerChainId: chain,
    triggerContractAddress: contracts.demo_target,
    triggerEvent: "Pinged(address,uint256,uint256)",
    ...fields,
  });
const onPrice = (fields) =>
  job({
    jobType: "condition",
    conditionType: "greater_than",
    upperLimit: 1,
    lowerLimit: 0,
    valueSourceType: "api",
    valueSourceUrl: source,
    ...fields,
  });

const text = (value) =>
  JSON.stringify(value, (_, v) => (typeof v === "bigint" ? String(v) : (v?.response?.data ?? (v instanceof Error ? v.message : v))));
const well = (result) => {
  assert.ok(result.success, text(result));
  return result;
};
async function create(jobInput, signer) {
  const { data } = well(await sdk.createJob(client, { jobInput, signer }));
  assert.equal(data.job_ids?.length, 1, text(data));
  return data.job_ids[0];
}
async function until(what, seconds, look) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    const found = await look();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}
// Waits until a job has called and the platform knows it, and deletes it: the next scenario has the chain for itself.
async function runs(id, key, value, signer, calls = 1) {
  await until(`${calls} calls of ${key}`, 30, async () => (await target.countOf(key)) >= calls);
  // By its signature: every object has a `valueOf` of its own.
  assert.equal(await target["valueOf(string)"](key), BigInt(value));
  const { data } = await until(`a completed task of ${key}`, 20, async () => {
    const answer = well(await sdk.getJobDataById(client, id, signer.address));
    return answer.data.taskData.some((task) => task.task_status === "completed") && answer;
  });
  assert.equal(data.jobData.job_id, id);
  const { status } = data.jobData;
  if (status !== "completed") well(await sdk.deleteJob(client, id, signer, chain));
  return data;
}
async function publish(script) {
  const body = JSON.stringify({ source: script, language: "ts" });
  const answer = await fetch(`${ready.api}/api/modules`, { method: "POST", headers: { "X-Api-Key": ready.keys.app }, body });
  assert.equal(answer.status, 200);
  return `https://gateway.example/ipfs/${(await answer.json()).cid}`;
}
const prints = (value) => publish(`console.log(JSON.stringify(${JSON.stringify(value)}))`);

const scenarios = {
  async "balance, deposit, withdrawal"() {
    const signer = account(0);
    const balance = async () => BigInt(well(await sdk.checkEthBalance(signer.address, chain)).data.ethBalanceWei);
    const before = await balance();
    well(await sdk.depositEth(10n ** 15n, signer));
    assert.equal(await balance(), before + 10n ** 15n);
    well(await sdk.withdrawEth(signer, 10n ** 15n));
    assert.equal(await balance(), before);
  },

  async "time, with a provider and a signer as they come; lists, pause, deletion"() {
    const signer = account(1, usual);
    const id = await create(interval({ arguments: ["usual", "7"] }), signer);
    await until("a call", 20, async () => (await target.countOf("usual")) >= 1n);
    const mine = well(await sdk.getJobsByUserAddress(client, signer.address));
    assert.deepEqual(mine.jobs.map((entry) => entry.job_data.job_id), [id]);
    const own = new sdk.TriggerXClient(ready.keys.user, { baseURL: ready.api });
    assert.deepEqual(well(await sdk.getJobData(own)).jobs, [], "the key's owner has no job yet");
    assert.equal(well(await sdk.getUserData(client, signer.address)).data.total_jobs, 1);
    await client.put(`/api/jobs/${id}/status/paused`, {});
    assert.equal((await sdk.getJobDataById(client, id, signer.address)).data.jobData.status, "paused");
    await client.put(`/api/jobs/${id}/status/running`, {});
    const calls = Number(await target.countOf("usual"));
    await runs(id, "usual", 7, signer, calls + 1);
    assert.equal((await sdk.getJobDataById(client, id, signer.address)).data.jobData.status, "deleted");
  },

  async "time by cron and at an instant, without an interval"() {
    const signer = account(2);
    const cron = { scheduleType: "cron", cronExpression: "*/2 * * * * *", timeInterval: undefined, timeFrame: 20 };
    await runs(await create(interval({ ...cron, arguments: ["cron", "1"] }), signer), "cron", 1, signer);
    const specificSchedule = new Date(Date.now() + 8000).toISOString().slice(0, 19).replace("T", " ");
    const once = { scheduleType: "specific", specificSchedule, timeInterval: undefined, timeFrame: 20 };
    await runs(await create(interval({ ...once, arguments: ["once", "2"] }), signer), "once", 2, signer);
    assert.equal(await target.countOf("once"), 1n);
  },

  async "time, with computed arguments"() {
    const signer = account(3);
    const dynamicArgumentsScriptUrl = await prints(["computed", "5"]);
    await runs(await create(interval({ dynamicArgumentsScriptUrl }), signer), "computed", 5, signer);
  },

  async "events, with arguments that are given and computed"() {
    const signer = account(4);
    const given = await create(onPing({ arguments: ["event", "3"] }), signer);
    const dynamicArgumentsScriptUrl = await prints(["event computed", "4"]);
    const computed = await create(onPing({ dynamicArgumentsScriptUrl }), signer);
    await (await target.connect(account(5)).ping(7)).wait();
    await runs(given, "event", 3, signer);
    await runs(computed, "event computed", 4, signer);
  },

  async "conditions, with arguments that are given and computed"() {
    const signer = account(6);
    await runs(await create(onPrice({ arguments: ["price", "8"] }), signer), "price", 8, signer);
    const dynamicArgumentsScriptUrl = await prints(["price computed", "9"]);
    await runs(await create(onPrice({ dynamicArgumentsScriptUrl }), signer), "price computed", 9, signer);
  },

  async "a script that decides what is called"() {
    const signer = account(7);
    const calldata = recording("custom", 6);
    const answer = { shouldExecute: true, targetContract: contracts.demo_target, calldata, storageUpdates: {}, metadata: {} };
    const custom = { jobType: "custom_script", timeInterval: 2, language: "ts", targetContractAddress: ethers.ZeroAddress };
    const dynamicArgumentsScriptUrl = await prints(answer);
    const id = await create(job({ ...custom, targetFunction: "", abi: "[]", dynamicArgumentsScriptUrl }), signer);
    await runs(id, "custom", 6, signer);
  },

  async "a Safe, and jobs that act in it"() {
    const signer = account(5);
    const safeAddress = await sdk.createSafeWallet(signer);
    const call = (key, value) => ({ to: contracts.demo_target, value: "0", data: recording(key, value) });
    const safe = { walletMode: "safe", safeAddress, targetContractAddress: undefined, targetFunction: undefined, abi: undefined };
    const one = await create(interval({ ...safe, safeTransactions: [call("safe", 1)] }), signer);
    await runs(one, "safe", 1, signer);
    const safeTransactions = [call("safe first", 2), call("safe second", 3)];
    await runs(await create(interval({ ...safe, safeTransactions }), signer), "safe second", 3, signer);
    assert.ok((await target.countOf("safe first")) >= 1n);
    const { to, value, data } = call("safe computed", 4);
    const dynamicArgumentsScriptUrl = await prints([safeAddress, to, value, data, 0]);
    await runs(await create(interval({ ...safe, dynamicArgumentsScriptUrl }), signer), "safe computed", 4, signer);
  },

  async "an account that has deposited nothing but what its job asks for"() {
    const signer = ethers.Wallet.createRandom().connect(quick);
    await (await account(8).sendTransaction({ to: signer.address, value: 10n ** 17n })).wait();
    const id = await create(interval({ arguments: ["fresh", "1"], timeFrame: 10 }), signer);
    const data = await runs(id, "fresh", 1, signer, 5);
    assert.ok(data.taskData.every((task) => task.task_status !== "failed"), text(data.taskData));
  },

  async "what is refused, before any money has moved"() {
    const signer = account(8);
    const dynamicArgumentsScriptUrl = await publish('throw new Error("closed")');
    const before = well(await sdk.checkEthBalance(signer.address, chain)).data.ethBalanceWei;
    const refused = await sdk.createJob(client, { jobInput: interval({ dynamicArgumentsScriptUrl }), signer });
    assert.deepEqual([refused.success, refused.httpStatusCode], [false, 422]);
    assert.equal(well(await sdk.checkEthBalance(signer.address, chain)).data.ethBalanceWei, before);
    assert.equal((await sdk.getJobDataById(client, "12345", signer.address)).httpStatusCode, 404);
    assert.equal((await sdk.getUserData(client, ethers.Wallet.createRandom().address)).httpStatusCode, 404);
  },
};

(async () => {
  let failed = 0;
  for (const [name, scenario] of Object.entries(scenarios)) {
    const began = Date.now();
    try {
      await scenario();
      say(`ok      ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      say(`FAILED  ${name}: ${error.stack}`);
    }
  }
  process.exit(failed ? 1 : 0);
})();
