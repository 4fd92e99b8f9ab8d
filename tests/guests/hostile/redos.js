// A regular expression that backtracks exponentially. Ends by fuel.
/^(a+)+$/.test('a'.repeat(50) + '!');
