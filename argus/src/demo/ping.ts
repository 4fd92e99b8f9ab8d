// Runs for each Pinged event: reads the amount out of the log that set it off and squares it.
interface Log { topics: string[]; data: string }
interface Context { trigger: { kind: string; log: Log } }

export default function (context: Context): [string, string] {
  const amount = BigInt(context.trigger.log.data);
  const topic = BigInt(context.trigger.log.topics[2]);
  console.error(`ping ${amount} about ${topic}`);
  return ["ping", (amount * amount + topic).toString()];
}
