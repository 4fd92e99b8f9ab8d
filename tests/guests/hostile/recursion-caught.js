// Recurses without end and catches it: a RangeError at a depth that is the same everywhere.
let depth = 0;
function deeper() { depth++; deeper(); }
try { deeper(); } catch (e) { console.log(JSON.stringify([e.name])); }
