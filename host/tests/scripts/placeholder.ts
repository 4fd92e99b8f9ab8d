// The shape that the job wizard offers: an async main, its result printed with indentation, exit code 1 on failure.
type Arg = string | number | boolean;

async function main(): Promise<Arg[]> {
  const amount: bigint = 10n ** 18n;
  return ["0x0000000000000000000000000000000000000002", amount.toString(), true];
}

main()
  .then((args) => {
    console.log(JSON.stringify(args, null, 2));
  })
  .catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
