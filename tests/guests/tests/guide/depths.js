// How deep functions go that call themselves until there is no room for one more, by what each call keeps.
function depth(run) {
  let calls = 0;
  try {
    run(() => (calls += 1));
  } catch (error) {
    if (error instanceof RangeError) return calls;
    throw error;
  }
}
function keeping(count) {
  const names = Array.from({ length: count }, (_, i) => `v${i}`);
  return new Function("count", `function again() { count(); let ${names.map((name, i) => `${name} = ${i}`)}; again(); return ${names.join("+")}; } again();`);
}
function through(call) {
  return (count) => {
    const again = () => {
      count();
      call(again);
    };
    again();
  };
}

export default () => [
  ["and keeps one variable", depth(keeping(1))],
  ["and keeps 20", depth(keeping(20))],
  ["and keeps 100", depth(keeping(100))],
  ["as what `map` of an array calls", depth(through((again) => [1].map(again)))],
  ["as what `replace` of a text calls", depth(through((again) => "a".replace(/a/, again)))],
];
